/* assignment: who goes with whom so that the sum of what the pairs gain is greatest.
 *
 * The assignment problem on a small square table (Kuhn-Munkres by shortest augmenting paths with potentials, O(n^3)).
 * Pure; any thread. */
#ifndef EGALIGN_CORE_ASSIGNMENT_H
#define EGALIGN_CORE_ASSIGNMENT_H

enum { ASSIGNMENT_MAX = 16 };

/* row_of[column]: the row that a column goes with. Rows or columns that are not there gain 0. The gains are finite. */
void assignment_best(double gain[ASSIGNMENT_MAX][ASSIGNMENT_MAX], int row_of[ASSIGNMENT_MAX]);

#endif
