/* mixtures: the experiments on finding groups: T1, T2, T3, T4, T8, T10. */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "core/lab/lab_parts.h"
#include "core/reward/bounds.h"
#include "core/reward/selection.h"

enum { DIM = 16, TEST_COMPARISONS = 20000, T4_HALF = 36, RIDGE = 1 };

int lab_bench_open(struct lab_bench *b, const struct lab *lab, int dim, int groups, const int *sizes, int pairs,
                   uint64_t seed, struct err *err)
{
    *b = (struct lab_bench){0};
    if (world_new(dim, groups, sizes, pairs, seed, &b->world, err) < 0)
        return -1;
    struct design *d = b->world.design;
    b->world.design = NULL;
    return study_open(&b->study, NULL, d, &lab->options, err);
}

void lab_bench_close(struct lab_bench *b)
{
    study_close(&b->study);
    world_free(&b->world);
}

/* The share placed right by the most likely group. */
static int placed(const struct lab_bench *b, const struct mixture *m, double *ret, struct err *err)
{
    int *label = mem_array((size_t)m->annotators, sizeof *label);
    if (!label)
        return err_memory(err);
    for (int h = 0; h < m->annotators; h++) {
        const double *q = m->q + (size_t)h * (size_t)m->k;
        label[h] = 0;
        for (int u = 1; u < m->k; u++)
            if (q[u] > q[label[h]])
                label[h] = u;
    }
    *ret = world_placed(&b->world, label);
    mem_free(label);
    return 0;
}

/* T1: 3000 pairs in all, judged by one pooled reward. */
static int pooled_accuracy(struct lab *lab, int ratio, double *ret_minority, double *ret_majority, struct err *err)
{
    int failed = -1;
    *ret_minority = *ret_majority = 0;
    for (int i = 0; i < lab->repeats; i++) {
        int minority = (int)lround(3000.0 / (ratio + 1)), sizes[2] = {3000 - minority, minority};
        uint64_t seed = lab->seed * 1000 + (uint64_t)i;
        struct lab_bench b;
        struct mixture *m = NULL;
        failed = lab_bench_open(&b, lab, 32, 2, sizes, 1, seed, err);
        if (failed == 0)
            failed = study_pooled(&b.study, b.study.all, 1, NULL, &m, err);
        if (failed == 0) {
            *ret_majority += world_accuracy(&b.world, 0, m->theta, TEST_COMPARISONS, seed) / lab->repeats;
            *ret_minority += world_accuracy(&b.world, 1, m->theta, TEST_COMPARISONS, seed) / lab->repeats;
        }
        mixture_free(m);
        lab_bench_close(&b);
        if (failed < 0)
            return -1;
    }
    return failed;
}

int lab_t1(struct lab *lab, struct err *err)
{
    static const struct {
        int ratio;
        double minority, majority;
    } targets[] = {{1, 0.704, 0.695}, {2, 0.569, 0.826}, {6, 0.461, 0.928}, {10, 0.437, 0.944}};
    double before = 1;
    bool falling = true;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        double minority, majority;
        char name[48];
        if (pooled_accuracy(lab, targets[i].ratio, &minority, &majority, err) < 0)
            return -1;
        snprintf(name, sizeof name, "minority accuracy at %d:1", targets[i].ratio);
        lab_figure_add(lab, true, minority, targets[i].minority - 0.02, targets[i].minority + 0.02, name);
        snprintf(name, sizeof name, "majority accuracy at %d:1", targets[i].ratio);
        lab_figure_add(lab, true, majority, targets[i].majority - 0.02, targets[i].majority + 0.02, name);
        falling = falling && minority < before;
        before = minority;
    }
    lab_figure_add(lab, true, falling, 1, 1, "minority accuracy falls with the ratio");
    return 0;
}

/* Mean share placed right, and the iterations, of EM with two groups on worlds of sizes[2] annotators. */
static int recovery(struct lab *lab, enum assignment assignment, bool round_robin, const int *sizes, int pairs,
                    double *ret_placed, double *ret_iterations, struct err *err)
{
    int failed = 0;
    lab->options.assignment = assignment;
    *ret_placed = *ret_iterations = 0;
    for (int i = 0; i < lab->repeats && failed == 0; i++) {
        struct lab_bench b;
        struct mixture *pooled = NULL, *m = NULL;
        struct effort effort = {round_robin ? 1 : lab->options.restarts, 100, 1e-6};
        double share = 0;
        failed = lab_bench_open(&b, lab, DIM, 2, sizes, pairs, lab->seed * 1000 + (uint64_t)i, err);
        if (failed == 0)
            failed = study_pooled(&b.study, b.study.all, 1, NULL, &pooled, err);
        if (failed == 0)
            failed = study_mixture(&b.study, b.study.all, 2, RIDGE, effort, pooled, NULL, &m, err);
        if (failed == 0)
            failed = placed(&b, m, &share, err);
        if (failed == 0) {
            *ret_placed += share / lab->repeats;
            *ret_iterations = fmax(*ret_iterations, m->iterations);
        }
        mixture_free(pooled);
        mixture_free(m);
        lab_bench_close(&b);
    }
    return failed;
}

int lab_t2(struct lab *lab, struct err *err)
{
    double share, iterations;
    if (recovery(lab, ASSIGNMENT_HARD, true, (int[2]){20, 20}, 75, &share, &iterations, err) < 0)
        return -1;
    lab_figure_add(lab, true, share, 0.99, 1, "placed right, hard EM from round-robin");
    lab_figure_add(lab, true, iterations, 1, 10, "most iterations");
    return 0;
}

int lab_t3(struct lab *lab, struct err *err)
{
    double soft, hard, iterations;
    if (recovery(lab, ASSIGNMENT_SOFT, false, (int[2]){73, 7}, 20, &soft, &iterations, err) < 0 ||
        recovery(lab, ASSIGNMENT_HARD, true, (int[2]){73, 7}, 20, &hard, &iterations, err) < 0)
        return -1;
    lab_figure_add(lab, true, soft, 0.98, 1, "placed right, soft EM");
    lab_figure_add(lab, false, hard, 0, 1, "placed right, hard EM from round-robin");
    return 0;
}

int lab_t4(struct lab *lab, struct err *err)
{
    static const struct {
        int pairs;
        double placed;
    } targets[] = {{3, 0.72}, {5, 0.88}, {10, 0.957}, {20, 0.996}};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        double share, iterations;
        char name[48];
        if (recovery(lab, ASSIGNMENT_SOFT, false, (int[2]){T4_HALF, T4_HALF}, targets[i].pairs, &share, &iterations,
                     err) < 0)
            return -1;
        snprintf(name, sizeof name, "placed right at %d pairs each", targets[i].pairs);
        lab_figure_add(lab, true, share, targets[i].placed - 0.02, targets[i].placed + 0.02, name);
    }
    return 0;
}

/* T8: how often K is chosen right. */
static int choices_right(struct lab *lab, int groups, int *ret_right, struct err *err)
{
    static const int sizes[3] = {20, 20, 20};
    int failed = 0;
    *ret_right = 0;
    for (int i = 0; i < lab->repeats && failed == 0; i++) {
        struct lab_bench b;
        struct fit f = {.ridge = 1, .ridge_pooled = 1};
        failed = lab_bench_open(&b, lab, DIM, groups, sizes, 40, lab->seed * 1000 + (uint64_t)(100 * groups + i), err);
        if (failed == 0)
            failed = selection_groups(&b.study, &f, err);
        *ret_right += failed == 0 && f.k == groups;
        lab_bench_close(&b);
    }
    return failed;
}

int lab_t8(struct lab *lab, struct err *err)
{
    for (int groups = 1; groups <= 3; groups++) {
        int right;
        char name[48];
        if (choices_right(lab, groups, &right, err) < 0)
            return -1;
        snprintf(name, sizeof name, "K = %d chosen, share of %d seeds", groups, lab->repeats);
        lab_figure_add(lab, true, (double)right / lab->repeats, 10.0 / 12 - 1e-9, 1, name);
    }
    return 0;
}

int lab_t10(struct lab *lab, struct err *err)
{
    struct lab_bench b;
    struct mixture *pooled = NULL, *m = NULL;
    struct effort effort = {lab->options.restarts, 100, 1e-6};
    double pairs[4], mixture[2];
    int failed = lab_bench_open(&b, lab, DIM, 2, (int[2]){60, 20}, 40, lab->seed, err);
    if (failed == 0)
        failed = study_pooled(&b.study, b.study.all, 1, NULL, &pooled, err);
    if (failed == 0)
        failed = study_mixture(&b.study, b.study.all, 2, 1, effort, pooled, NULL, &m, err);
    if (failed == 0) {
        bounds_variation(m, b.study.l, b.study.d, pairs, mixture);
        lab_figure_add(lab, false, pairs[1], 0, 1, "TV between the groups");
        lab_figure_add(lab, true, fabs(mixture[0] - (1 - m->eta[0]) * pairs[1]), 0, 1e-4,
                       "error of the identity, group 0");
        lab_figure_add(lab, true, fabs(mixture[1] - (1 - m->eta[1]) * pairs[1]), 0, 1e-4,
                       "error of the identity, group 1");
    }
    mixture_free(pooled);
    mixture_free(m);
    lab_bench_close(&b);
    return failed;
}
