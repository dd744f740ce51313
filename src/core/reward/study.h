/* study: what all parts of one fit share: the design, scratch space, threads, options, progress.
 *
 * For the reward wing only. Made by fit_run, used by its thread. Random streams are numbered by STREAM_*, so that
 * no two uses of the seed meet. */
#ifndef EGALIGN_CORE_STUDY_H
#define EGALIGN_CORE_STUDY_H

#include "core/reward/mixture.h"

enum { STREAM_SEARCH = 1 << 16, STREAM_FOLDS = 2 << 16, STREAM_PERMUTE = 3 << 16, STREAM_BOOTSTRAP = 4 << 16 };

/* Phases of a fit, in order, with their rough share of its time. */
enum phase { PHASE_RIDGE, PHASE_GROUPS, PHASE_PERMUTATION, PHASE_MIXTURE, PHASE_ACCURACY };

struct study {
    const struct fit_options *o;
    struct design *d;
    struct sample *all;
    struct threads *pool;
    struct logistic *l;
    struct fit_progress progress;
    double phase_start, phase_share; /* of the whole */
    int tasks, done;                 /* of the phase */
};

/* Makes the study of a data set, or of a ready design (`d`, taken over even on failure) when ds is NULL. */
int study_open(struct study *st, const struct dataset *ds, struct design *d, const struct fit_options *o,
               struct err *err);
void study_close(struct study *st);

/* Progress: a phase of `tasks` tasks begins; one of them is done. -1 with ERR_CANCELLED when the caller has had
 * enough. */
int study_phase(struct study *st, enum phase phase, int tasks, struct err *err);
int study_task_done(struct study *st, struct err *err);

/* How much work a search may put in. */
struct effort {
    int restarts;
    int iterations;
    double tolerance;
};

/* The single reward (K = 1) on `s`; started from *warm when that is not NULL. */
int study_pooled(struct study *st, const struct sample *s, double ridge, const struct mixture *warm,
                 struct mixture **ret, struct err *err);

/* The best of several runs of EM with k groups on `s`, by F: all of them for a few iterations, the two best to the end
 * (em-EM, Biernacki et al. 2003). `pooled` is the single reward on `s`; `warm` (or NULL) one more place to start from,
 * used when it has k groups. */
int study_mixture(struct study *st, const struct sample *s, int k, double ridge, struct effort effort,
                  const struct mixture *pooled, const struct mixture *warm, struct mixture **ret, struct err *err);

/* Splits the comparisons of a sample: each annotator's last quarter (rounded down), in the order they were made, to
 * *ret_late, the rest to *ret_early. */
int study_split_late(const struct sample *s, struct sample **ret_early, struct sample **ret_late, struct err *err);

/* ret[annotators] = log sum_u q_hu prod_{c of h in test} P(c | u) with q from the sample that m was fitted on,
 * tempered; 0 for annotators without comparisons in `test`. */
int study_held_out(struct study *st, const struct mixture *m, const struct sample *test, double temperature,
                   double *ret, struct err *err);

#endif
