/* lab_parts: what an experiment is given and how it reports. Private to the files of src/core/lab; an experiment with a
 * file of its own is `int lab_tN(struct lab *lab, struct err *err)`, declared here and listed in lab.c.
 *
 * The lab is the caller's; one thread. */
#ifndef EGALIGN_CORE_LAB_PARTS_H
#define EGALIGN_CORE_LAB_PARTS_H

#include "core/lab/lab.h"
#include "core/lab/world.h"
#include "core/reward/study.h"

/* One experiment under way. */
struct lab {
    uint64_t seed;
    int repeats;
    struct fit_options options; /* of fits: seed and threads are set */
    const struct lab_watch *watch;
    struct lab_result *result;
};

/* Adds a figure, which must be within low .. high when it is judged. */
void lab_figure_add(struct lab *lab, bool judged, double value, double low, double high, const char *name);

/* Tells the watcher, if there is one, what is done now; `fraction` of the experiment is done. */
void lab_tell(const struct lab *lab, double fraction, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A world of known truth with a study over its comparisons. */
struct lab_bench {
    struct world world;
    struct study study;
};

/* sizes[groups] annotators of `pairs` comparisons each. lab_bench_close also after a failure. */
int lab_bench_open(struct lab_bench *b, const struct lab *lab, int dim, int groups, const int *sizes, int pairs,
                   uint64_t seed, struct err *err);
void lab_bench_close(struct lab_bench *b);

/* mixtures.c */
int lab_t1(struct lab *lab, struct err *err);
int lab_t2(struct lab *lab, struct err *err);
int lab_t3(struct lab *lab, struct err *err);
int lab_t4(struct lab *lab, struct err *err);
int lab_t8(struct lab *lab, struct err *err);
int lab_t10(struct lab *lab, struct err *err);

/* alignment.c */
int lab_t5(struct lab *lab, struct err *err);
int lab_t6(struct lab *lab, struct err *err);
int lab_t7(struct lab *lab, struct err *err);

/* navigation.c */
int lab_t9(struct lab *lab, struct err *err);

/* t11.c */
int lab_t11(struct lab *lab, struct err *err);

#endif
