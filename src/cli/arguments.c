#include "cli/arguments.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"

/* The knobs that take a value, as options are spelt but for `_`. */
static const char *const knobs_with_value[] = {
    "config",
#define CONFIG_TEXT(name, part, default_value, prose) #name,
#define CONFIG_NUMBER(name, part, default_value, least, most, unit, prose) #name,
#define CONFIG_SWITCH(name, part, default_value, prose)
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
};

/* Whether `option` ("--database-url") is a knob whose value is the next word. */
static bool takes_next(const char *option)
{
    for (size_t i = 0; i < sizeof knobs_with_value / sizeof knobs_with_value[0]; i++) {
        const char *name = knobs_with_value[i], *text = option + 2;
        while (*name && (*name == *text || (*name == '_' && *text == '-'))) {
            name++;
            text++;
        }
        if (*name == '\0' && *text == '\0')
            return true;
    }
    return false;
}

static const struct argument *find(const struct argument *own, const char *word, const char **ret_value)
{
    for (; own->name; own++) {
        size_t length = strlen(own->name);
        if (strncmp(word, own->name, length) != 0 || (word[length] != '\0' && word[length] != '='))
            continue;
        *ret_value = word[length] ? word + length + 1 : NULL;
        return own;
    }
    return NULL;
}

/* Takes the option at argv[*at]; *at moves on when its value is the next word. */
static int take_own(const struct argument *option, const char *value, int argc, char **argv, int *at, struct err *err)
{
    if (option->given) {
        *option->given = true;
        return value ? err_set(err, ERR_USAGE, "%s takes no value", option->name) : 0;
    }
    if (!value && *at + 1 >= argc)
        return err_set(err, ERR_USAGE, "%s needs a value", option->name);
    *option->value = value ? value : argv[++*at];
    return 0;
}

int arguments_take(const struct argument *own, int *argc, char **argv, const char **operands, int most,
                   struct err *err)
{
    int left = 0, found = 0;
    bool only_operands = false;
    for (int i = 0; i < *argc; i++) {
        const char *value, *word = argv[i];
        const struct argument *option = only_operands ? NULL : find(own, word, &value);
        if (option) {
            if (take_own(option, value, *argc, argv, &i, err) < 0)
                return -1;
        } else if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strncmp(word, "--", 2) == 0) {
            argv[left++] = argv[i];
            if (takes_next(word) && i + 1 < *argc)
                argv[left++] = argv[++i];
        } else if (found == most) {
            return err_set(err, ERR_USAGE, "'%s' is one word too many", word);
        } else {
            operands[found++] = word;
        }
    }
    *argc = left;
    return found;
}

bool arguments_help(int argc, char **argv, const char *usage, unsigned parts)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0)
            continue;
        printf("%s\nOptions:\n", usage);
        config_print_help(parts);
        return true;
    }
    return false;
}
