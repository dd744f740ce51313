#include "core/align/group_rewards.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "core/reward/choice.h"

static const char MAGIC[8] = {'E', 'G', 'A', 'N', 'C', 'H', 'O', 'R'};

enum { VERSION = 1 };

/* Rewards that differ by less than this part of their size do not vary: it is rounding. */
#define LEAST_VARIATION 1e-9

struct group_rewards {
    struct response_scorer scorer;
    enum anchor anchor;
    int columns;        /* K + 1 */
    int prompts;
    struct str *prompt; /* [prompts] into text */
    char *text;
    int *start;         /* [prompts + 1] */
    double *raw;        /* [start[prompts]][columns] rewards of the references */
    double *mean;       /* [prompts][columns] of the references */
    struct anchor_figures figures[RESPONSE_SCORER_GROUPS_MAX + 1];
};

/* What lies in front of start[] and raw[] in the saved form; all of it is digested behind them. */
struct head {
    char magic[8];
    uint32_t version, anchor, columns, prompts;
    uint64_t references;
    uint8_t digest[SHA256_SIZE]; /* of the prompts */
};

const char *anchor_name(enum anchor a)
{
    return a == ANCHOR_WIN ? "win" : "centred";
}

int anchor_of(const char *name)
{
    return strcmp(name, "centred") == 0 ? ANCHOR_CENTRED : strcmp(name, "win") == 0 ? ANCHOR_WIN : -1;
}

int group_rewards_groups(const struct group_rewards *g)
{
    return g->columns - 1;
}

int group_rewards_prompts(const struct group_rewards *g)
{
    return g->prompts;
}

enum anchor group_rewards_anchor(const struct group_rewards *g)
{
    return g->anchor;
}

struct anchor_figures group_rewards_figures(const struct group_rewards *g, int u)
{
    return g->figures[u];
}

void group_rewards_free(struct group_rewards *g)
{
    if (!g)
        return;
    mem_free(g->prompt);
    mem_free(g->text);
    mem_free(g->start);
    mem_free(g->raw);
    mem_free(g->mean);
    mem_free(g);
}

/* ---- making ---- */

static int copy_prompts(struct group_rewards *g, const struct str *prompt, struct err *err)
{
    size_t length = 0;
    for (int i = 0; i < g->prompts; i++)
        length += prompt[i].len;
    g->prompt = mem_array((size_t)g->prompts, sizeof *g->prompt);
    g->text = mem_alloc(length + 1);
    if (!g->prompt || !g->text)
        return err_memory(err);
    char *at = g->text;
    for (int i = 0; i < g->prompts; i++) {
        memcpy(at, prompt[i].len ? prompt[i].ptr : "", prompt[i].len);
        g->prompt[i] = (struct str){at, prompt[i].len};
        at += prompt[i].len;
    }
    return 0;
}

/* A shell with room for everything, the prompts in it. */
static int make(const struct response_scorer *scorer, enum anchor anchor, int prompts, const struct str *prompt,
                int references, struct group_rewards **ret, struct err *err)
{
    if (prompts < 1 || references < prompts || references < 2)
        return err_set(err, ERR_INVALID_VALUE,
                       "rewards are anchored on a reference response to each prompt, two in all at least; "
                       "there are %d of %d prompts", references, prompts);
    struct group_rewards *g = mem_zeroed(1, sizeof *g);
    if (!g)
        return err_memory(err);
    *g = (struct group_rewards){
        .scorer = *scorer, .anchor = anchor, .columns = scorer->groups + 1, .prompts = prompts};
    g->start = mem_array((size_t)prompts + 1, sizeof *g->start);
    g->raw = mem_array((size_t)references * (size_t)g->columns, sizeof *g->raw);
    g->mean = mem_array((size_t)prompts * (size_t)g->columns, sizeof *g->mean);
    if (!g->start || !g->raw || !g->mean)
        err_memory(err);
    else if (copy_prompts(g, prompt, err) == 0) {
        *ret = g;
        return 0;
    }
    group_rewards_free(g);
    return -1;
}

/* "group 1" or "the single reward", for messages. */
static const char *column_name(const struct group_rewards *g, int u, char text[24])
{
    if (u == g->columns - 1)
        return "the single reward";
    snprintf(text, 24, "group %d", u);
    return text;
}

static int finite_row(const struct group_rewards *g, const double *row, struct err *err)
{
    char text[24];
    for (int u = 0; u < g->columns; u++)
        if (!isfinite(row[u]))
            return err_set(err, ERR_NUMERICAL, "a reward of a response is not finite: that of %s",
                           column_name(g, u, text));
    return 0;
}

static int score_references(struct group_rewards *g, const struct reference_set *r, struct err *err)
{
    int references = r->start[g->prompts];
    struct str *prompts = mem_array((size_t)references, sizeof *prompts);
    int result = prompts ? 0 : err_memory(err);
    for (int i = 0; i < g->prompts && result == 0; i++) {
        if (r->start[i + 1] <= r->start[i])
            result = err_set(err, ERR_INVALID_VALUE, "prompt %d has no reference response to anchor rewards on", i);
        for (int j = r->start[i]; j < r->start[i + 1]; j++)
            prompts[j] = g->prompt[i];
    }
    if (result == 0)
        result = g->scorer.score(g->scorer.context, references, prompts, r->response, g->raw, err);
    mem_free(prompts);
    return result;
}

static int by_prompt(struct group_rewards *g, struct err *err)
{
    for (int i = 0; i < g->prompts; i++) {
        double *mean = g->mean + (size_t)i * (size_t)g->columns;
        memset(mean, 0, (size_t)g->columns * sizeof *mean);
        for (int j = g->start[i]; j < g->start[i + 1]; j++) {
            const double *row = g->raw + (size_t)j * (size_t)g->columns;
            if (finite_row(g, row, err) < 0)
                return -1;
            for (int u = 0; u < g->columns; u++)
                mean[u] += row[u] / (g->start[i + 1] - g->start[i]);
        }
    }
    return 0;
}

/* Mean and deviation of a column: within prompts where any has two references, else between them. */
static struct anchor_figures figures_of(const struct group_rewards *g, int u, double *ret_size)
{
    size_t columns = (size_t)g->columns, column = (size_t)u;
    int freedom = g->start[g->prompts] - g->prompts;
    double mean = 0, within = 0, between = 0;
    *ret_size = 0;
    for (int i = 0; i < g->prompts; i++)
        mean += g->mean[(size_t)i * columns + column] / g->prompts;
    for (int i = 0; i < g->prompts; i++) {
        double own = g->mean[(size_t)i * columns + column];
        between += (own - mean) * (own - mean);
        for (int j = g->start[i]; j < g->start[i + 1]; j++) {
            double x = g->raw[(size_t)j * columns + column];
            within += (x - own) * (x - own);
            *ret_size = fmax(*ret_size, fabs(x));
        }
    }
    double variance = freedom > 0 ? within / freedom : between / (g->prompts - 1);
    return (struct anchor_figures){mean, sqrt(variance), freedom == 0};
}

static int anchor_columns(struct group_rewards *g, struct err *err)
{
    if (by_prompt(g, err) < 0)
        return -1;
    char text[24];
    for (int u = 0; u < g->columns; u++) {
        double size;
        g->figures[u] = figures_of(g, u, &size);
        if (!(g->figures[u].deviation > LEAST_VARIATION * size))
            return err_set(err, ERR_NUMERICAL,
                           "%s rewards all reference responses alike, so it has no scale to compare groups by; take "
                           "more, or more varied, reference responses", column_name(g, u, text));
    }
    return 0;
}

int group_rewards_new(const struct response_scorer *scorer, enum anchor anchor, const struct reference_set *references,
                      struct group_rewards **ret, struct err *err)
{
    struct group_rewards *g;
    int n = references->prompts;
    if (make(scorer, anchor, n, references->prompt, n > 0 ? references->start[n] : 0, &g, err) < 0)
        return -1;
    memcpy(g->start, references->start, ((size_t)n + 1) * sizeof *g->start);
    if (score_references(g, references, err) < 0 || anchor_columns(g, err) < 0) {
        group_rewards_free(g);
        return -1;
    }
    *ret = g;
    return 0;
}

/* ---- scoring ---- */

void group_rewards_apply(const struct group_rewards *g, int prompt, double *row)
{
    const double *mean = g->mean + (size_t)prompt * (size_t)g->columns;
    if (g->anchor == ANCHOR_CENTRED) {
        for (int u = 0; u < g->columns; u++)
            row[u] = (row[u] - mean[u]) / g->figures[u].deviation;
        return;
    }
    int first = g->start[prompt], end = g->start[prompt + 1];
    for (int u = 0; u < g->columns; u++) {
        double sum = 0;
        for (int j = first; j < end; j++)
            sum += choice_probability(row[u] - g->raw[(size_t)j * (size_t)g->columns + (size_t)u]);
        row[u] = sum / (end - first);
    }
}

int group_rewards_score_all(const struct group_rewards *g, int n, const int *prompt, const struct str *response,
                            double *ret, struct err *err)
{
    struct str *prompts = mem_array((size_t)(n > 0 ? n : 1), sizeof *prompts);
    if (!prompts)
        return err_memory(err);
    for (int i = 0; i < n; i++)
        prompts[i] = g->prompt[prompt[i]];
    int result = g->scorer.score(g->scorer.context, n, prompts, response, ret, err);
    for (int i = 0; i < n && result == 0; i++) {
        double *row = ret + (size_t)i * (size_t)g->columns;
        result = finite_row(g, row, err);
        if (result == 0)
            group_rewards_apply(g, prompt[i], row);
    }
    mem_free(prompts);
    return result;
}

int group_rewards_score(const struct group_rewards *g, int prompt, struct str response, double *ret, struct err *err)
{
    return group_rewards_score_all(g, 1, &prompt, &response, ret, err);
}

/* ---- in a checkpoint ---- */

static void digest_prompts(int n, const struct str *prompt, uint8_t ret[SHA256_SIZE])
{
    struct sha256 hash;
    sha256_init(&hash);
    for (int i = 0; i < n; i++) {
        uint64_t length = prompt[i].len;
        sha256_update(&hash, &length, sizeof length);
        sha256_update(&hash, prompt[i].ptr, prompt[i].len);
    }
    sha256_final(&hash, ret);
}

static struct head head_of(int columns, enum anchor anchor, int prompts, const struct str *prompt, int references)
{
    struct head head = {.version = VERSION,
                        .anchor = anchor,
                        .columns = (uint32_t)columns,
                        .prompts = (uint32_t)prompts,
                        .references = (uint64_t)references};
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    digest_prompts(prompts, prompt, head.digest);
    return head;
}

void group_rewards_save(const struct group_rewards *g, struct buf *out)
{
    size_t from = out->length;
    int references = g->start[g->prompts];
    struct head head = head_of(g->columns, g->anchor, g->prompts, g->prompt, references);
    uint8_t digest[SHA256_SIZE];
    buf_add(out, &head, sizeof head);
    buf_add(out, g->start, ((size_t)g->prompts + 1) * sizeof *g->start);
    buf_add(out, g->raw, (size_t)references * (size_t)g->columns * sizeof *g->raw);
    if (out->failed)
        return;
    sha256(out->data + from, out->length - from, digest);
    buf_add(out, digest, sizeof digest);
}

/* Checks the digest and the head. */
static int read_head(const struct response_scorer *scorer, int prompts, const struct str *prompt, const void *bytes,
                     size_t length, struct head *ret, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    if (length < sizeof *ret + SHA256_SIZE)
        return err_set(err, ERR_BAD_FILE, "the anchors of the rewards are cut short");
    sha256(bytes, length - SHA256_SIZE, digest);
    memcpy(ret, bytes, sizeof *ret);
    if (memcmp(digest, (const char *)bytes + length - SHA256_SIZE, SHA256_SIZE) != 0 ||
        memcmp(ret->magic, MAGIC, sizeof MAGIC) != 0 || ret->version != VERSION || ret->anchor > ANCHOR_WIN)
        return err_set(err, ERR_BAD_FILE, "the anchors of the rewards are damaged");
    struct head expected = head_of(scorer->groups + 1, ret->anchor, prompts, prompt, 0);
    expected.references = ret->references;
    if (memcmp(&expected, ret, sizeof expected) != 0)
        return err_set(err, ERR_CONFLICT, "the saved anchors belong to other prompts or to another fit");
    return 0;
}

int group_rewards_restore(const struct response_scorer *scorer, int prompts, const struct str *prompt,
                          const void *bytes, size_t length, struct group_rewards **ret, struct err *err)
{
    struct head head;
    struct group_rewards *g;
    if (read_head(scorer, prompts, prompt, bytes, length, &head, err) < 0 ||
        make(scorer, (enum anchor)head.anchor, prompts, prompt, (int)head.references, &g, err) < 0)
        return -1;
    size_t starts = ((size_t)prompts + 1) * sizeof *g->start;
    size_t rewards = (size_t)head.references * (size_t)g->columns * sizeof *g->raw;
    const char *at = (const char *)bytes + sizeof head;
    bool whole = length == sizeof head + starts + rewards + SHA256_SIZE;
    if (whole) {
        memcpy(g->start, at, starts);
        memcpy(g->raw, at + starts, rewards);
    }
    if (!whole)
        err_set(err, ERR_BAD_FILE, "the anchors of the rewards are not as long as they say");
    if (!whole || anchor_columns(g, err) < 0) {
        group_rewards_free(g);
        return -1;
    }
    *ret = g;
    return 0;
}
