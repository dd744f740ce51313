#include "core/reward/lineage.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "core/reward/assignment.h"

enum { G = LINEAGE_GROUPS_MAX };
_Static_assert((int)G == (int)ASSIGNMENT_MAX, "groups are matched by one table");

/* A group continues another from this Jaccard overlap on; a quarter of a group makes a split or a merger. */
static const double CONTINUES = 0.25, NOTABLE = 0.25;

struct table {
    double cell[G][G]; /* [before][after] annotators in both */
    int before[G], after[G], shared;
};

static void tabulate(int n, const int *before, const int *after, struct table *t)
{
    memset(t, 0, sizeof *t);
    for (int h = 0; h < n; h++) {
        if (before[h] < 0 || after[h] < 0)
            continue;
        CHECK(before[h] < G && after[h] < G);
        t->cell[before[h]][after[h]]++;
        t->before[before[h]]++;
        t->after[after[h]]++;
        t->shared++;
    }
}

static void add_event(struct lineage *l, enum lineage_kind kind, int before, int after, double share)
{
    if (l->events < LINEAGE_EVENTS_MAX)
        l->event[l->events++] = (struct lineage_event){kind, before, after, share};
}

/* Former group b is split when two or more new groups hold a notable part of it each. */
static void note_split(const struct table *t, int b, int groups_after, struct lineage *ret)
{
    int parts = 0;
    for (int a = 0; a < groups_after; a++)
        parts += t->cell[b][a] > 0 && t->cell[b][a] >= NOTABLE * t->before[b];
    for (int a = 0; a < groups_after && parts >= 2; a++)
        if (t->cell[b][a] > 0 && t->cell[b][a] >= NOTABLE * t->before[b])
            add_event(ret, LINEAGE_SPLIT, b, a, t->cell[b][a] / t->before[b]);
}

/* New group a is a merger when more than half of each of two or more former groups, and a notable part of it, came. */
static void note_merger(const struct table *t, int a, int groups_before, struct lineage *ret)
{
    int sources = 0;
    for (int b = 0; b < groups_before; b++)
        sources += 2 * t->cell[b][a] > t->before[b] && t->cell[b][a] >= NOTABLE / 2 * t->after[a];
    for (int b = 0; b < groups_before && sources >= 2; b++)
        if (2 * t->cell[b][a] > t->before[b] && t->cell[b][a] >= NOTABLE / 2 * t->after[a])
            add_event(ret, LINEAGE_MERGED, b, a, t->cell[b][a] / t->before[b]);
}

void lineage_match(int n, const int *before, int groups_before, const int *after, int groups_after,
                   struct lineage *ret)
{
    struct table t;
    int row_of[G];
    bool continued[G] = {false};
    CHECK(groups_before >= 0 && groups_before <= G && groups_after >= 0 && groups_after <= G);
    memset(ret, 0, sizeof *ret);
    tabulate(n, before, after, &t);
    assignment_best(t.cell, row_of);
    ret->groups = groups_after;
    ret->shared = t.shared;
    ret->overall = lineage_rand_index(n, before, after);
    for (int a = 0; a < groups_after; a++) {
        int b = row_of[a];
        double both = b < groups_before ? t.cell[b][a] : 0;
        double overlap = both > 0 ? both / (t.before[b] + t.after[a] - both) : 0;
        bool same = overlap >= CONTINUES;
        ret->former[a] = same ? b : -1;
        ret->stability[a] = same ? overlap : 0;
        if (same)
            continued[b] = true;
        else
            add_event(ret, LINEAGE_BORN, -1, a, 0);
    }
    for (int b = 0; b < groups_before; b++) {
        if (!continued[b])
            add_event(ret, LINEAGE_ENDED, b, -1, 0);
        note_split(&t, b, groups_after, ret);
    }
    for (int a = 0; a < groups_after; a++)
        note_merger(&t, a, groups_before, ret);
}

static double pairs_of(double n)
{
    return n * (n - 1) / 2;
}

double lineage_rand_index(int n, const int *one, const int *other)
{
    struct table t;
    double both = 0, first = 0, second = 0;
    tabulate(n, one, other, &t);
    for (int i = 0; i < G; i++) {
        first += pairs_of(t.before[i]);
        second += pairs_of(t.after[i]);
        for (int j = 0; j < G; j++)
            both += pairs_of(t.cell[i][j]);
    }
    double all = pairs_of(t.shared), expected = all > 0 ? first * second / all : 0, most = (first + second) / 2;
    return most > expected ? (both - expected) / (most - expected) : 1;
}
