/* lineage: which group of a new fit continues which group of the one before.
 *
 * Groups are matched one to one so that the most annotators stay in theirs (the assignment problem on the table of
 * shared members). It knows indices only; keeping ids and colours is the caller's business. Pure; any thread. */
#ifndef EGALIGN_CORE_LINEAGE_H
#define EGALIGN_CORE_LINEAGE_H

enum { LINEAGE_GROUPS_MAX = 16, LINEAGE_EVENTS_MAX = 4 * LINEAGE_GROUPS_MAX };

enum lineage_kind { LINEAGE_BORN, LINEAGE_ENDED, LINEAGE_SPLIT, LINEAGE_MERGED };

struct lineage_event {
    enum lineage_kind kind;
    int before;   /* group of the former fit, -1 for LINEAGE_BORN */
    int after;    /* group of the new fit, -1 for LINEAGE_ENDED */
    double share; /* split: part of `before` that went to `after`; merged: part of `before` that came to `after` */
};

struct lineage {
    int groups;                              /* of the new fit */
    int former[LINEAGE_GROUPS_MAX];          /* per new group: the former group whose id it keeps, or -1: a new id */
    double stability[LINEAGE_GROUPS_MAX];    /* per new group: Jaccard overlap with the former one over annotators that
                                                are assigned in both fits; 0 for a new id */
    double overall;                          /* adjusted Rand index of the two partitions over those annotators */
    int shared;                              /* how many they are */
    int events;
    struct lineage_event event[LINEAGE_EVENTS_MAX];
};

/* Matches two assignments of the same `n` annotators: before[h] in -1 .. groups_before-1, after[h] in -1 ..
 * groups_after-1, -1 for unassigned or absent; group numbers at most LINEAGE_GROUPS_MAX. A group continues another
 * only if they share at least a quarter of their union. */
void lineage_match(int n, const int *before, int groups_before, const int *after, int groups_after,
                   struct lineage *ret);

/* The adjusted Rand index (Hubert and Arabie 1985) of two partitions with labels 0 .. 15; entries with a negative label
 * in either are left out. 1 when both are one and the same block. */
double lineage_rand_index(int n, const int *one, const int *other);

#endif
