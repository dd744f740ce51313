/* T11: the whole pipeline on texts, in the shape of the GPT-2 experiment of arXiv 2402.08925, section 5.1.
 *
 * A small model learns to write; people of two tastes judge what it writes; EM finds them; PPO trains one policy on the
 * single reward and one on MaxMin. Both are compared with the writer on prompts that were held out, by three measures:
 * the rewards they were trained on, a judge fitted to other people, and the truth. Where the first parts from the last,
 * a reward was gamed. */
#include "core/lab/lab_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/threads.h"
#include "core/interval.h"
#include "core/lab/reviews_policy.h"

enum {
    RATIOS = 2,
    LAYERS = 2,
    WIDTH = 64,
    VOCABULARY = 512,
    REVIEWS = 10000,
    RESPONSE_TOKENS = 64,
    CANDIDATES = 4, /* to each prompt, judged and the references of the rewards */
    PAIRS = 4,      /* to each held-out prompt: 768 pairs in all */
    COMPARISONS = 50,
    UPDATES = 40,
    SNAPSHOT_EVERY = 1,
    RIDGE = 3 /* cross-validation takes 1, the least of its grid: less faith in rare n-grams */
};

static const struct {
    const char *name;
    int size[REVIEWS_TASTES];
} ratios[RATIOS] = {{"80:20", {160, 40}}, {"10:1", {200, 20}}};

enum measured { BY_TRAINING, BY_JUDGE, BY_TRUTH, MEASURES };

/* How a policy fares against the writer. */
struct faring {
    struct proportion win[MEASURES][REVIEWS_TASTES];
    struct reviews_summary text;
};

enum arm { ARM_SINGLE, ARM_SINGLE_EQUAL_KL, ARM_MAXMIN, ARMS };

/* The world of one seed. */
struct world_of_reviews {
    struct lab *lab;
    uint64_t seed;
    double begin, share; /* of the experiment: where this seed is, for those who watch */
    const char *doing;
    struct reviews_writer writer;
    struct reviews_samples candidates, references; /* on prompts to train on; on those held out */
    struct reviews_judge judge, other_judge;       /* of the people trained for; of others like them */
};

/* ---- evaluation ---- */

static void add_win(double a, double b, double *wins)
{
    *wins += a > b ? 1 : a == b ? 0.5 : 0;
}

static int add_judged_win(const struct reviews_judge *j, struct str prompt, struct str a, struct str b, double *wins,
                          struct err *err)
{
    double first[FIT_GROUPS_MAX + 1], second[FIT_GROUPS_MAX + 1];
    if (scorer_score(j->scorer, prompt, a, first, err) < 0 || scorer_score(j->scorer, prompt, b, second, err) < 0)
        return -1;
    for (int t = 0; t < REVIEWS_TASTES; t++)
        add_win(first[j->group[t]], second[j->group[t]], &wins[t]);
    return 0;
}

static int compare(const struct world_of_reviews *w, const struct reviews_samples *s, struct faring *ret,
                   struct err *err)
{
    double wins[MEASURES][REVIEWS_TASTES] = {{0}};
    const struct reviews_samples *r = &w->references;
    for (int i = 0; i < s->count; i++) {
        struct str prompt = reviews_writer_prompt(&w->writer, s->prompt[i / s->each]);
        struct str a = reviews_sampled(s, i), b = reviews_sampled(r, i);
        for (int t = 0; t < REVIEWS_TASTES; t++)
            add_win(reviews_utility((enum reviews_taste)t, &s->measure[i]),
                    reviews_utility((enum reviews_taste)t, &r->measure[i]), &wins[BY_TRUTH][t]);
        if (add_judged_win(&w->judge, prompt, a, b, wins[BY_TRAINING], err) < 0 ||
            add_judged_win(&w->other_judge, prompt, a, b, wins[BY_JUDGE], err) < 0)
            return -1;
    }
    for (int m = 0; m < MEASURES; m++)
        for (int t = 0; t < REVIEWS_TASTES; t++)
            ret->win[m][t] = proportion_of(wins[m][t], s->count);
    ret->text = reviews_summarise(s);
    return 0;
}

static int evaluate(const struct world_of_reviews *w, const struct lm_model *policy, struct faring *ret,
                    struct err *err)
{
    struct reviews_samples s;
    int failed = reviews_sample(&w->writer, policy, w->references.prompts, w->references.prompt, w->references.each,
                                w->seed + 3, &s, err);
    if (failed == 0)
        failed = compare(w, &s, ret, err);
    reviews_samples_free(&s);
    return failed;
}

/* ---- training ---- */

static void tell_update(void *context, const struct ppo_metrics *m)
{
    const struct world_of_reviews *w = context;
    lab_tell(w->lab, w->begin, "%s: update %lld of %d, score %.2f, KL %.2f", w->doing, (long long)m->update, UPDATES,
             m->scores, m->kl);
}

static int train(struct world_of_reviews *w, enum objective_mode mode, struct reviews_course *ret, struct err *err)
{
    struct reviews_training training = {.mode = mode,
                                        .seed = w->seed,
                                        .updates = UPDATES,
                                        .snapshot_every = SNAPSHOT_EVERY,
                                        .tell = tell_update,
                                        .context = w};
    w->doing = objective_name(mode);
    return reviews_train(&w->writer, &w->judge, &w->candidates, &training, ret, err);
}

/* The policy on the way of the single reward whose KL is nearest to that of MaxMin. */
static const struct lm_model *of_equal_kl(const struct reviews_course *c, double kl)
{
    int best = 0;
    for (int i = 1; i < c->snapshots - 1; i++)
        if (fabs(c->snapshot[i].kl - kl) < fabs(c->snapshot[best].kl - kl))
            best = i;
    return c->snapshot[best].policy;
}

static int train_and_evaluate(struct world_of_reviews *w, struct faring ret[ARMS], struct err *err)
{
    struct reviews_course maxmin = {0}, single = {0};
    int failed = train(w, OBJECTIVE_MAXMIN, &maxmin, err);
    if (failed == 0)
        failed = evaluate(w, maxmin.snapshot[maxmin.snapshots - 1].policy, &ret[ARM_MAXMIN], err);
    if (failed == 0)
        failed = train(w, OBJECTIVE_SINGLE, &single, err);
    if (failed == 0)
        failed = evaluate(w, single.snapshot[single.snapshots - 1].policy, &ret[ARM_SINGLE], err);
    if (failed == 0)
        failed = evaluate(w, of_equal_kl(&single, ret[ARM_MAXMIN].text.kl), &ret[ARM_SINGLE_EQUAL_KL], err);
    reviews_course_free(&maxmin);
    reviews_course_free(&single);
    return failed;
}

/* Two fits to disjoint people of the same tastes. */
static int find_groups(struct world_of_reviews *w, int ratio, struct err *err)
{
    struct fit_options options = w->lab->options;
    struct reviews_people people = {.comparisons = COMPARISONS, .seed = w->seed * 2};
    memcpy(people.size, ratios[ratio].size, sizeof people.size);
    options.seed = w->seed;
    options.k = 2;
    options.permutations = 0;
    options.ridge = RIDGE;
    options.restarts = 2;
    options.folds = 2;
    lab_tell(w->lab, w->begin, "seed %llu, %s: EM", (unsigned long long)w->seed, ratios[ratio].name);
    if (reviews_judge_open(&w->writer, &w->candidates, &people, &options, &w->judge, err) < 0)
        return -1;
    people.seed++;
    return reviews_judge_open(&w->writer, &w->candidates, &people, &options, &w->other_judge, err);
}

static void tell_writer(void *context, double fraction)
{
    const struct world_of_reviews *w = context;
    lab_tell(w->lab, w->begin, "seed %llu: learning to write, %.0f %%", (unsigned long long)w->seed, 100 * fraction);
}

static int open_writer(struct world_of_reviews *w, struct gemm gemm, struct err *err)
{
    int prompts[2][REVIEWS_PROMPTS], count[2] = {0};
    struct reviews_writer_options options = {.gemm = gemm,
                                             .seed = w->seed,
                                             .layers = LAYERS,
                                             .width = WIDTH,
                                             .vocabulary = VOCABULARY,
                                             .reviews = REVIEWS,
                                             .epochs = 3,
                                             .rate = 3e-3,
                                             .response_tokens = RESPONSE_TOKENS,
                                             .tell = tell_writer,
                                             .context = w};
    for (int i = 0; i < REVIEWS_PROMPTS; i++) {
        bool held_out = reviews_held_out(i);
        prompts[held_out][count[held_out]++] = i;
    }
    if (reviews_writer_open(&options, &w->writer, err) < 0)
        return -1;
    return reviews_sample(&w->writer, NULL, count[0], prompts[0], CANDIDATES, w->seed + 1, &w->candidates, err) < 0 ||
                   reviews_sample(&w->writer, NULL, count[1], prompts[1], PAIRS, w->seed + 2, &w->references, err) < 0
               ? -1
               : 0;
}

/* ---- the experiment ---- */

/* One seed at both ratios. */
static int run_seed(struct lab *lab, int index, struct gemm gemm, struct faring ret[RATIOS][ARMS],
                    double ret_placed[RATIOS], struct err *err)
{
    struct world_of_reviews *w = mem_zeroed(1, sizeof *w);
    if (!w)
        return err_memory(err);
    *w = (struct world_of_reviews){
        .lab = lab, .seed = lab->seed * 1000 + (uint64_t)index, .begin = (double)index / lab->repeats};
    int failed = open_writer(w, gemm, err);
    for (int r = 0; r < RATIOS && failed == 0; r++) {
        w->begin = (index + (r + 0.2) / RATIOS) / lab->repeats;
        failed = find_groups(w, r, err);
        ret_placed[r] = w->judge.placed;
        if (failed == 0)
            failed = train_and_evaluate(w, ret[r], err);
        reviews_judge_close(&w->judge);
        reviews_judge_close(&w->other_judge);
        w->judge = w->other_judge = (struct reviews_judge){0};
    }
    reviews_samples_free(&w->candidates);
    reviews_samples_free(&w->references);
    reviews_writer_close(&w->writer);
    mem_free(w);
    return failed;
}

/* What a seed must show: the single reward lifts the majority and drops the minority below one half, MaxMin lifts both,
 * all intervals clear of it. */
static bool shows_the_point(const struct faring arm[ARMS])
{
    const struct proportion *single = arm[ARM_SINGLE].win[BY_TRUTH], *maxmin = arm[ARM_MAXMIN].win[BY_TRUTH];
    return single[REVIEWS_SENTIMENT].low > 0.5 && single[REVIEWS_CONCISENESS].high < 0.5 &&
           maxmin[REVIEWS_SENTIMENT].low > 0.5 && maxmin[REVIEWS_CONCISENESS].low > 0.5;
}

/* Sums over seeds; divided by their number these are means. */
struct tally {
    double win[ARMS][MEASURES][REVIEWS_TASTES], kl[ARMS], derived[ARMS], placed, shown;
    double least,
        most; /* over seeds: lowest end of MaxMin's intervals, highest of the single reward's for the minority */
};

static void add_seed(struct tally *t, const struct faring arm[ARMS], double placed)
{
    for (int a = 0; a < ARMS; a++) {
        for (int m = 0; m < MEASURES; m++)
            for (int g = 0; g < REVIEWS_TASTES; g++)
                t->win[a][m][g] += arm[a].win[m][g].value;
        t->kl[a] += arm[a].text.kl;
        t->derived[a] += arm[a].text.derived;
    }
    for (int g = 0; g < REVIEWS_TASTES; g++)
        t->least = fmin(t->least, arm[ARM_MAXMIN].win[BY_TRUTH][g].low);
    t->most = fmax(t->most, arm[ARM_SINGLE].win[BY_TRUTH][REVIEWS_CONCISENESS].high);
    t->placed += placed;
    t->shown += shows_the_point(arm);
}

static void put(struct lab *lab, int ratio, bool judged, double value, double low, double high, const char *what)
{
    char name[80];
    snprintf(name, sizeof name, "%s %s", ratios[ratio].name, what);
    lab_figure_add(lab, judged, value, low, high, name);
}

static void report(struct lab *lab, int ratio, const struct tally *t)
{
    static const char *const arms[ARMS] = {"single", "single at equal KL", "MaxMin"};
    static const char *const measures[MEASURES] = {"by training reward", "by held-out judge", "in truth"};
    static const char *const tastes[REVIEWS_TASTES] = {"majority", "minority"};
    double n = lab->repeats;
    char what[64];
    put(lab, ratio, true, t->shown / n, 0.8 - 1e-9, 1, "share of seeds as they must be");
    put(lab, ratio, false, t->least, 0, 1, "MaxMin, lowest end of an interval");
    put(lab, ratio, false, t->most, 0, 1, "single, minority, highest end of an interval");
    put(lab, ratio, false, t->placed / n, 0, 1, "annotators placed right");
    for (int a = 0; a < ARMS; a++) {
        for (int m = MEASURES - 1; m >= 0; m--) {
            for (int g = 0; g < REVIEWS_TASTES; g++) {
                snprintf(what, sizeof what, "%s, %s, %s", arms[a], tastes[g], measures[m]);
                put(lab, ratio, false, t->win[a][m][g] / n, 0, 1, what);
            }
        }
        snprintf(what, sizeof what, "%s, KL to the writer", arms[a]);
        put(lab, ratio, false, t->kl[a] / n, 0, INFINITY, what);
        snprintf(what, sizeof what, "%s, grammatical", arms[a]);
        put(lab, ratio, false, t->derived[a] / n, 0, 1, what);
    }
}

int lab_t11(struct lab *lab, struct err *err)
{
    struct tally tally[RATIOS] = {{.least = 1}, {.least = 1}};
    struct gemm gemm = {gemm_backend(NULL, err), threads_new(lab->options.threads, err)};
    int failed = gemm.backend && gemm.threads ? 0 : -1;
    for (int i = 0; i < lab->repeats && failed == 0; i++) {
        struct faring arm[RATIOS][ARMS];
        double placed[RATIOS];
        failed = run_seed(lab, i, gemm, arm, placed, err);
        for (int r = 0; r < RATIOS && failed == 0; r++)
            add_seed(&tally[r], arm[r], placed[r]);
    }
    for (int r = 0; r < RATIOS && failed == 0; r++)
        report(lab, r, &tally[r]);
    threads_free(gemm.threads);
    return failed;
}
