#include "core/lab/ratios.h"

#include "base/mem.h"
#include "core/blas.h"
#include "core/lab/pipeline.h"

enum { ANNOTATORS = 110, PAIRS = 30, SERIES = sizeof(struct fare) / sizeof(double) };

static const int ratio_of[RATIOS] = {1, 2, 6, 10};

/* The fare of one world as a row of `ret`, SERIES series of `seeds` numbers. */
static int one_world(const struct lab *lab, const int *sizes, int seeds, int i, double *ret, struct err *err)
{
    struct pipeline *p;
    struct fare fare;
    if (pipeline_new(lab, sizes, PAIRS, lab->seed + (uint64_t)i, &p, err) < 0)
        return -1;
    int failed = pipeline_fare(p, PIPELINE_BETA, &fare, err);
    pipeline_free(p);
    for (int s = 0; s < SERIES && failed == 0; s++)
        ret[s * seeds + i] = ((const double *)&fare)[s];
    return failed;
}

/* The means in the order of struct fare. */
static void summarise(const double *series, int seeds, struct ratio_row *row)
{
    struct mean *const into[SERIES] = {&row->maxmin[0], &row->maxmin[1], &row->single[0], &row->single[1],
                                       &row->equal[0],  &row->equal[1],  &row->maxmin_kl, &row->single_kl};
    for (int s = 0; s < SERIES; s++)
        *into[s] = mean_of(seeds, series + s * seeds);
}

static int run(struct lab *lab, int seeds, struct ratio_row *ret, struct err *err)
{
    double *series = mem_array((size_t)(SERIES * seeds), sizeof *series);
    int failed = series ? 0 : err_memory(err);
    for (int r = 0; r < RATIOS && failed == 0; r++) {
        int minority = ANNOTATORS / (ratio_of[r] + 1), sizes[2] = {ANNOTATORS - minority, minority};
        ret[r] = (struct ratio_row){.ratio = ratio_of[r], .annotators = {sizes[0], sizes[1]}};
        for (int i = 0; i < seeds && failed == 0; i++) {
            double done = (double)(r * seeds + i) / (RATIOS * seeds);
            lab_tell(lab, done, "%d:1, world %d of %d", ratio_of[r], i + 1, seeds);
            failed = one_world(lab, sizes, seeds, i, series, err);
        }
        if (failed == 0)
            summarise(series, seeds, &ret[r]);
    }
    mem_free(series);
    return failed;
}

int ratios_run(uint64_t seed, int seeds, int threads, const struct lab_watch *watch, struct ratio_row ret[RATIOS],
               struct err *err)
{
    if (seeds < 1 || seeds > RATIOS_SEEDS_MOST)
        return err_set(err, ERR_INVALID_VALUE, "the number of seeds must be 1 to %d", RATIOS_SEEDS_MOST);
    struct lab lab = {.seed = seed, .watch = watch};
    fit_options_default(&lab.options);
    lab.options.seed = seed;
    lab.options.threads = threads;
    unsigned former = blas_denormals_off();
    int failed = run(&lab, seeds, ret, err);
    blas_denormals_restore(former);
    return failed;
}
