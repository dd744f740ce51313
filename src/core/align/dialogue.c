#include "core/align/dialogue.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/lm/replace.h"

static const char place[] = "{prompt}";

int dialogue_make(const struct tokenizer *tokenizer, const char *template, int32_t end, struct dialogue *ret,
                  struct err *err)
{
    *ret = (struct dialogue){.tokenizer = tokenizer, .end = end >= 0 ? end : tokenizer_end(tokenizer)};
    if (strlen(template) > DIALOGUE_TEMPLATE_MAX || !strstr(template, place))
        return err_set(err, ERR_INVALID_VALUE, "the template must have \"%s\" in it, and at most %d bytes", place,
                       DIALOGUE_TEMPLATE_MAX);
    if (ret->end >= 0 && (size_t)ret->end >= tokenizer_count(tokenizer))
        return err_set(err, ERR_BAD_FILE, "the model's end token %d is not among the tokenizer's %zu", ret->end,
                       tokenizer_count(tokenizer));
    ret->template = mem_strdup(template);
    if (!ret->template)
        return err_memory(err);
    int result = tokenizer_encode(tokenizer, str_of(""), TOKENIZER_FRAME, &ret->begin, err);
    if (result == 0 && ret->begin.count == 0 && ret->end >= 0)
        token_list_put(&ret->begin, ret->end);
    if (result == 0 && ret->begin.failed)
        result = err_memory(err);
    if (result < 0)
        dialogue_free(ret);
    return result;
}

int dialogue_load(const struct tokenizer *tokenizer, const char *folder, int32_t end, struct dialogue *ret,
                  struct err *err)
{
    char path[PATH_MAX];
    json_error_t where;
    if ((size_t)snprintf(path, sizeof path, "%s/egalign.json", folder) >= sizeof path)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    if (access(path, F_OK) != 0)
        return dialogue_make(tokenizer, DIALOGUE_TEMPLATE, end, ret, err);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    const char *template = json_string_value(json_object_get(root, "prompt_template"));
    int result = template ? dialogue_make(tokenizer, template, end, ret, err)
                          : err_set(err, ERR_BAD_FILE, "%s has no prompt_template", path);
    json_decref(root);
    return result;
}

static int write_text(FILE *file, void *context, struct err *err)
{
    const char *text = context;
    return fputs(text, file) >= 0 && fputc('\n', file) >= 0 ? 0 : err_errno(err, "cannot write");
}

int dialogue_save(const struct dialogue *d, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/egalign.json", folder) >= sizeof path)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    json_t *root = json_pack("{s:s}", "prompt_template", d->template);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    int result = text ? replace_file(path, write_text, text, err) : err_memory(err);
    free(text);
    json_decref(root);
    return result;
}

void dialogue_free(struct dialogue *d)
{
    mem_free(d->template);
    token_list_free(&d->begin);
    *d = (struct dialogue){.end = -1};
}

static void put_all(const struct token_list *ids, struct token_list *out)
{
    for (size_t i = 0; i < ids->count; i++)
        token_list_put(out, ids->ids[i]);
}

int dialogue_prompt(const struct dialogue *d, struct str prompt, struct token_list *out, struct err *err)
{
    const char *at = strstr(d->template, place);
    struct str before = {d->template, (size_t)(at - d->template)}, after = str_of(at + sizeof place - 1);
    put_all(&d->begin, out);
    if (before.len && tokenizer_encode(d->tokenizer, before, TOKENIZER_SPECIALS, out, err) < 0)
        return -1;
    if (tokenizer_encode(d->tokenizer, prompt, before.len ? TOKENIZER_CONTINUED : 0, out, err) < 0)
        return -1;
    return tokenizer_encode(d->tokenizer, after, TOKENIZER_SPECIALS | TOKENIZER_CONTINUED, out, err);
}

static int finish(const struct dialogue *d, struct token_list *out, struct err *err)
{
    if (d->end >= 0)
        token_list_put(out, d->end);
    return out->failed ? err_memory(err) : 0;
}

int dialogue_response(const struct dialogue *d, struct str response, struct token_list *out, struct err *err)
{
    if (tokenizer_encode(d->tokenizer, response, TOKENIZER_CONTINUED, out, err) < 0)
        return -1;
    return finish(d, out, err);
}

/* Cuts a sequence whose first `prompt` tokens are read only; returns how many of these are left. */
static int cut(struct token_list *t, int prompt, int longest)
{
    int answer = (int)t->count - prompt, kept = prompt, least = longest / 2;
    if (prompt > least)
        kept = longest - answer > least ? longest - answer : least;
    if (answer > longest - kept) {
        t->ids[prompt + longest - kept - 1] = t->ids[t->count - 1]; /* the end of the response stays */
        answer = longest - kept;
    }
    memmove(t->ids, t->ids + (prompt - kept), (size_t)(kept + answer) * sizeof *t->ids);
    t->count = (size_t)(kept + answer);
    return kept;
}

int dialogue_sequence(const struct dialogue *d, struct str prompt, struct str response, int longest,
                      struct token_list *out, int *ret_prompt, struct err *err)
{
    out->count = 0;
    if (dialogue_prompt(d, prompt, out, err) < 0)
        return -1;
    size_t read = out->count;
    if (dialogue_response(d, response, out, err) < 0)
        return -1;
    if (out->count == 0)
        return err_set(err, ERR_INVALID_VALUE, "an empty prompt and an empty response make no sequence");
    *ret_prompt = (int)(out->count == read ? read - 1 : read);
    if (out->count <= (size_t)longest)
        return 0;
    *ret_prompt = cut(out, *ret_prompt, longest);
    return 1;
}

int dialogue_text(const struct dialogue *d, struct str text, struct token_list *out, struct err *err)
{
    put_all(&d->begin, out);
    if (tokenizer_encode(d->tokenizer, text, 0, out, err) < 0)
        return -1;
    return finish(d, out, err);
}
