#include "store/item.h"

#include "api/resource/resource.h"
#include "formats/complete_options.h"
#include "formats/record.h"
#include "store/judgement.h"

struct item_body {
    struct json_seen seen;
    int prompt_form; /* enum record_prompt_form */
    struct str prompt;
    struct json_list messages;  /* struct record_message */
    struct json_list responses; /* struct record_response */
};

enum { PROMPT, RESPONSES };

static const struct json_field message_item = JSON_ITEM(OBJECT, .shape = &record_message_shape);
static const struct json_field response_item = JSON_ITEM(OBJECT, .shape = &record_response_shape);

static const struct json_field prompt_forms[] = {
    JSON_FIELD(STR, struct item_body, prompt, "prompt", .flags = JSON_LONG_TEXT, .least = 1,
               .about = "Plain text."),
    JSON_FIELD(LIST, struct item_body, messages, "prompt", .item = &message_item,
               .item_size = sizeof(struct record_message), .least = 1, .most = 256, .about = "Chat messages."),
};

static const struct json_field fields[] = {
    [PROMPT] =
        JSON_FIELD(ONE_OF, struct item_body, prompt_form, "prompt", .flags = JSON_REQUIRED, .forms = prompt_forms,
                   .form_count = 2, .about = "What is to be answered.", .example = "\"Why is the sky blue?\""),
    [RESPONSES] = JSON_FIELD(LIST, struct item_body, responses, "responses", .item = &response_item,
                             .item_size = sizeof(struct record_response), .most = 256,
                             .about = "Candidate responses; those that the item does not have yet are added.",
                             .example = "[{\"text\":\"Because of scattering.\",\"policy\":\"tulu-2-7b\"}]"),
};

const struct json_shape item_body_shape =
    JSON_SHAPE(struct item_body, fields, "NewItem", "A prompt with candidate responses.");

int on_items_post(struct request *r, struct err *err)
{
    const struct item_body *b = r->input;
    const struct record_response *given = b->responses.items;
    bool messages = b->prompt_form == PROMPT_MESSAGES, created = false;
    struct str prompt = b->prompt;
    if (messages && judgement_messages(&b->messages, &r->arena, &prompt, err) < 0)
        return -1;
    struct item_response *responses = arena_zeroed(&r->arena, b->responses.count + 1, sizeof *responses);
    if (!responses)
        return err_memory(err);
    for (size_t i = 0; i < b->responses.count; i++)
        responses[i] = (struct item_response){given[i].text, given[i].policy};
    struct buf body = {0};
    int status = item_create(r->api->pool, &r->project, prompt, messages, responses,
                             b->responses.count, &created, &body, err);
    return answer_json(r, status, created ? 201 : 200, &body);
}

int on_items_get(struct request *r, struct err *err)
{
    return answer_list(r, item_list, err);
}

int on_item_get(struct request *r, struct err *err)
{
    return answer_one(r, "item", 200, item_get, err);
}

/* ---- items that others refer to ---- */

static int refuse_item(const char *at, struct err *err)
{
    return at ? err_at(err, ERR_UNKNOWN_REFERENCE, at, "there is no such item in this project") : err_memory(err);
}

int refer_to_items(struct request *r, const struct json_list *items, const char *pointer, struct err *err)
{
    size_t missing = 0;
    int absent = items->count == 0
                     ? 0
                     : item_absent(r->api->pool, &r->project, items->items, NULL, items->count, &missing, err);
    return absent <= 0 ? absent : refuse_item(arena_printf(&r->arena, "%s/items/%zu", pointer, missing), err);
}

int refer_to_prompts(struct request *r, const struct json_list *prompts, const char *pointer, struct err *err)
{
    const struct complete_prompt *asked = prompts->items;
    size_t missing = 0;
    struct uuid *items = arena_zeroed(&r->arena, prompts->count + 1, sizeof *items);
    bool *named = arena_zeroed(&r->arena, prompts->count + 1, sizeof *named), any = false;
    if (!items || !named)
        return err_memory(err);
    for (size_t i = 0; i < prompts->count; i++) {
        named[i] = asked[i].form == COMPLETE_ITEM;
        items[i] = asked[i].item.id;
        any |= named[i];
    }
    int absent = any ? item_absent(r->api->pool, &r->project, items, named, prompts->count, &missing, err) : 0;
    return absent <= 0 ? absent : refuse_item(arena_printf(&r->arena, "%s/prompts/%zu/item", pointer, missing), err);
}
