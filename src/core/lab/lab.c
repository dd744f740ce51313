#include "core/lab/lab_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "core/blas.h"

void lab_figure_add(struct lab *lab, bool judged, double value, double low, double high, const char *name)
{
    CHECK(lab->result->figures < LAB_FIGURES_MAX);
    struct lab_figure *f = &lab->result->figure[lab->result->figures++];
    *f = (struct lab_figure){.value = value, .low = low, .high = high, .judged = judged};
    snprintf(f->name, sizeof f->name, "%s", name);
    if (judged && !(value >= low && value <= high))
        lab->result->within = false;
}

void lab_tell(const struct lab *lab, double fraction, const char *format, ...)
{
    char text[128];
    va_list arguments;
    if (!lab->watch)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lab->watch->tell(lab->watch->context, fraction, text);
}

static const struct {
    const char *id, *title;
    int (*run)(struct lab *lab, struct err *err);
    int repeats;
} experiments[] = {
    {"T1", "Accuracy of one pooled reward on minority and majority", lab_t1, 10},
    {"T2", "Hard EM, 20 + 20 annotators with 75 pairs each", lab_t2, 10},
    {"T3", "EM with a 73:7 minority, 20 pairs each", lab_t3, 20},
    {"T4", "Soft EM with few comparisons an annotator", lab_t4, 60},
    {"T5", "From comparisons at 10:1 to a policy: true win rates", lab_t5, 10},
    {"T6", "Gap of the max-min optimisers to the exact optimum", lab_t6, 5},
    {"T7", "What rescaling a group's reward changes", lab_t7, 5},
    {"T8", "Choice of the number of groups", lab_t8, 12},
    {"T9", "Two goals in a grid: one reward against max-min", lab_t9, 1},
    {"T10", "Total variation of two groups to their mixture", lab_t10, 1},
    {"T11", "Texts: a policy for one reward and a MaxMin policy, 80:20 and 10:1", lab_t11, 5},
};

enum { EXPERIMENTS = sizeof experiments / sizeof experiments[0] };

const char *lab_list(int i, const char **ret_title)
{
    if (i < 0 || i >= EXPERIMENTS)
        return NULL;
    if (ret_title)
        *ret_title = experiments[i].title;
    return experiments[i].id;
}

int lab_run(const char *id, uint64_t seed, int repeats, int threads, const struct lab_watch *watch,
            struct lab_result *ret, struct err *err)
{
    for (int i = 0; i < EXPERIMENTS; i++) {
        if (strcmp(experiments[i].id, id) != 0)
            continue;
        struct lab lab = {
            .seed = seed, .repeats = repeats > 0 ? repeats : experiments[i].repeats, .watch = watch, .result = ret};
        fit_options_default(&lab.options);
        lab.options.seed = seed;
        lab.options.threads = threads;
        *ret = (struct lab_result){.id = experiments[i].id, .title = experiments[i].title, .within = true};
        unsigned former = blas_denormals_off();
        int failed = experiments[i].run(&lab, err);
        blas_denormals_restore(former);
        return failed;
    }
    return err_set(err, ERR_NOT_FOUND, "there is no experiment '%s'", id);
}
