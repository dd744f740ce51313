#include "base/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum kind { TEXT, NUMBER, SWITCH };

struct knob {
    const char *name; /* with underscores, as in the file */
    unsigned part;    /* enum config_part */
    enum kind kind;
    size_t offset; /* of the member in struct config */
    const char *text;
    int64_t number, least, most;
    const char *unit, *prose;
};

static const struct knob knobs[] = {
#define CONFIG_TEXT(name, part, default_value, prose)                                                                  \
    {#name, CONFIG_##part, TEXT, offsetof(struct config, name), default_value, 0, 0, 0, "", prose},
#define CONFIG_NUMBER(name, part, default_value, least, most, unit, prose)                                             \
    {#name, CONFIG_##part, NUMBER, offsetof(struct config, name), NULL, default_value, least, most, unit, prose},
#define CONFIG_SWITCH(name, part, default_value, prose)                                                                \
    {#name, CONFIG_##part, SWITCH, offsetof(struct config, name), NULL, default_value, 0, 1, "", prose},
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
};

enum { KNOBS = sizeof knobs / sizeof knobs[0], NAME_SIZE = 64 };

static char **text_of(struct config *c, const struct knob *k)
{
    return (char **)((char *)c + k->offset);
}

/* Compares a name in which dashes and underscores are the same. */
static bool same_name(const char *name, size_t length, const struct knob *k)
{
    if (strlen(k->name) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((name[i] == '-' ? '_' : name[i]) != k->name[i])
            return false;
    return true;
}

static const struct knob *find(const char *name, size_t length)
{
    for (int i = 0; i < KNOBS; i++)
        if (same_name(name, length, &knobs[i]))
            return &knobs[i];
    return NULL;
}

static int assign_switch(struct config *c, const struct knob *k, const char *value, struct err *err)
{
    bool on = strcmp(value, "true") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "1") == 0;
    bool off = strcmp(value, "false") == 0 || strcmp(value, "no") == 0 || strcmp(value, "0") == 0;
    if (!on && !off)
        return err_set(err, ERR_CONFIG, "%s takes true or false, not '%s'", k->name, value);
    *(bool *)((char *)c + k->offset) = on;
    return 0;
}

static int assign(struct config *c, const struct knob *k, const char *value, struct err *err)
{
    if (k->kind == SWITCH)
        return assign_switch(c, k, value, err);
    if (k->kind == TEXT) {
        char *copy = mem_strdup(value);
        if (!copy)
            return err_memory(err);
        mem_free(*text_of(c, k));
        *text_of(c, k) = copy;
        return 0;
    }
    int64_t number;
    if (!str_to_int64(str_of(value), &number) || number < k->least || number > k->most)
        return err_set(err, ERR_CONFIG, "%s takes a whole number from %lld to %lld (%s), not '%s'", k->name,
                       (long long)k->least, (long long)k->most, k->unit, value);
    *(int64_t *)((char *)c + k->offset) = number;
    return 0;
}

static int assign_defaults(struct config *c, struct err *err)
{
    for (int i = 0; i < KNOBS; i++) {
        const struct knob *k = &knobs[i];
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)k->number);
        if (assign(c, k, k->kind == TEXT ? k->text : number, err) < 0)
            return -1;
    }
    return 0;
}

static void environment_name(const struct knob *k, char name[NAME_SIZE])
{
    int n = snprintf(name, NAME_SIZE, "EGALIGN_%s", k->name);
    for (int i = 0; i < n && i < NAME_SIZE; i++)
        if (name[i] >= 'a' && name[i] <= 'z')
            name[i] = (char)(name[i] - 'a' + 'A');
}

static int assign_environment(struct config *c, struct err *err)
{
    for (int i = 0; i < KNOBS; i++) {
        char name[NAME_SIZE];
        environment_name(&knobs[i], name);
        const char *value = getenv(name);
        if (value && assign(c, &knobs[i], value, err) < 0)
            return err_wrap(err, "environment %s", name);
    }
    return 0;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static int assign_line(struct config *c, char *line, struct err *err)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#')
        return 0;
    char *equals = strchr(text, '=');
    if (!equals)
        return err_set(err, ERR_CONFIG, "expected `name = value`, got '%.80s'", text);
    *equals = '\0';
    char *name = trim(text);
    const struct knob *k = find(name, strlen(name));
    if (!k)
        return err_set(err, ERR_CONFIG, "there is no option '%.80s'", name);
    return assign(c, k, trim(equals + 1), err);
}

static int assign_file(struct config *c, const char *path, struct err *err)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return err_set(err, ERR_CONFIG, "--config %s: %s", path, strerror(errno));
    char line[4096];
    int number = 0, status = 0;
    while (status == 0 && fgets(line, sizeof line, file)) {
        number++;
        status = assign_line(c, line, err);
    }
    fclose(file);
    return status < 0 ? err_wrap(err, "%s line %d", path, number) : 0;
}

/* Takes the option at argv[*at] and moves *at past it. */
static int assign_argument(struct config *c, int argc, char **argv, int *at, struct err *err)
{
    const char *argument = argv[(*at)++];
    if (strncmp(argument, "--", 2) != 0)
        return err_set(err, ERR_USAGE, "unexpected argument '%s'", argument);
    const char *name = argument + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct knob *k = find(name, length);
    if (!k && !equals && strncmp(name, "no-", 3) == 0) {
        k = find(name + 3, length - 3);
        return k && k->kind == SWITCH ? assign(c, k, "false", err)
                                      : err_set(err, ERR_USAGE, "there is no switch '%s'", argument);
    }
    if (!k)
        return err_set(err, ERR_USAGE, "there is no option '%s'", argument);
    if (equals)
        return assign(c, k, equals + 1, err);
    if (k->kind == SWITCH)
        return assign(c, k, "true", err);
    if (*at == argc)
        return err_set(err, ERR_USAGE, "%s needs a value", argument);
    return assign(c, k, argv[(*at)++], err);
}

/* The --config file is read before the other arguments, so it is looked for first and skipped later. */
static int load(struct config *c, int argc, char **argv, struct err *err)
{
    if (assign_defaults(c, err) < 0)
        return -1;
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], "--config") == 0 && assign_file(c, argv[i + 1], err) < 0)
            return -1;
    if (assign_environment(c, err) < 0)
        return -1;
    for (int i = 0; i < argc;) {
        if (strcmp(argv[i], "--config") == 0) {
            if (i + 1 == argc)
                return err_set(err, ERR_USAGE, "--config needs a file");
            i += 2;
        } else if (assign_argument(c, argc, argv, &i, err) < 0) {
            return -1;
        }
    }
    if (log_level_of(c->log_level) >= 0)
        return 0;
    return err_set(err, ERR_CONFIG, "log_level takes debug, info, warning or error, not '%s'", c->log_level);
}

int config_load(struct config *c, int argc, char **argv, struct err *err)
{
    *c = (struct config){0};
    int status = load(c, argc, argv, err);
    if (status < 0)
        config_free(c);
    return status;
}

void config_free(struct config *c)
{
    for (int i = 0; i < KNOBS; i++) {
        if (knobs[i].kind != TEXT)
            continue;
        mem_free(*text_of(c, &knobs[i]));
        *text_of(c, &knobs[i]) = NULL;
    }
}

static void flag_name(const struct knob *k, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "--%s", k->name);
    for (char *p = name; *p; p++)
        if (*p == '_')
            *p = '-';
}

static void default_text(const struct knob *k, char *text, size_t room)
{
    if (k->kind == TEXT)
        snprintf(text, room, "%s", *k->text ? k->text : "empty");
    else if (k->kind == SWITCH)
        snprintf(text, room, "%s", k->number ? "true" : "false");
    else
        snprintf(text, room, "%lld %s", (long long)k->number, k->unit);
}

/* Prints words with line breaks before they pass the width, each line indented. */
static void print_wrapped(const char *text)
{
    enum { INDENT = 8, WIDTH = 100 };
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column == 0 || column + 1 + word > WIDTH) {
            printf("%s%*s%.*s", column ? "\n" : "", INDENT, "", (int)word, text);
            column = INDENT + word;
        } else {
            printf(" %.*s", (int)word, text);
            column += 1 + word;
        }
        text += word + strspn(text + word, " ");
    }
    printf("\n");
}

void config_print_help(unsigned parts)
{
    printf("  --config FILE\n        Read options from FILE, a line `name = value` each.\n");
    for (int i = 0; i < KNOBS; i++) {
        const struct knob *k = &knobs[i];
        char name[NAME_SIZE], value[128], text[512];
        if (!(k->part & parts))
            continue;
        flag_name(k, name);
        default_text(k, value, sizeof value);
        snprintf(text, sizeof text, "%s [%s]", k->prose, value);
        printf("  %s%s\n", name, k->kind == SWITCH ? "" : k->kind == TEXT ? " TEXT" : " N");
        print_wrapped(text);
    }
    if (parts != CONFIG_ALL)
        printf("The other options of `egalign serve` are taken too and do nothing here, so that commands can share a "
               "file.\n");
}

void config_print_docs(void)
{
    printf("# Configuration\n\nGenerated from `src/base/config.def`. Command line over environment over the file given "
           "with `--config` over the default.\n\n"
           "| option | environment | default | range | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; i < KNOBS; i++) {
        const struct knob *k = &knobs[i];
        char flag[NAME_SIZE], environment[NAME_SIZE], value[128], range[64] = "";
        flag_name(k, flag);
        environment_name(k, environment);
        default_text(k, value, sizeof value);
        if (k->kind == NUMBER)
            snprintf(range, sizeof range, "%lld..%lld", (long long)k->least, (long long)k->most);
        printf("| `%s` | `%s` | %s | %s | %s |\n", flag, environment, value, range, k->prose);
    }
}
