#include "core/reward/assignment.h"

#include <math.h>
#include <stdbool.h>

void assignment_best(double gain[ASSIGNMENT_MAX][ASSIGNMENT_MAX], int row_of[ASSIGNMENT_MAX])
{
    enum { G = ASSIGNMENT_MAX };
    double u[G + 1] = {0}, v[G + 1] = {0};
    int match[G + 1] = {0}; /* row of column j, 1-based; 0: free */
    for (int i = 1; i <= G; i++) {
        double least[G + 1];
        int way[G + 1], j0 = 0;
        bool used[G + 1] = {false};
        match[0] = i;
        for (int j = 0; j <= G; j++)
            least[j] = INFINITY;
        do {
            used[j0] = true;
            int i0 = match[j0], next = 0;
            double step = INFINITY;
            for (int j = 1; j <= G; j++) {
                if (used[j])
                    continue;
                double reduced = -gain[i0 - 1][j - 1] - u[i0] - v[j];
                if (reduced < least[j]) {
                    least[j] = reduced;
                    way[j] = j0;
                }
                if (least[j] < step) {
                    step = least[j];
                    next = j;
                }
            }
            for (int j = 0; j <= G; j++) {
                if (used[j]) {
                    u[match[j]] += step;
                    v[j] -= step;
                } else {
                    least[j] -= step;
                }
            }
            j0 = next;
        } while (match[j0] != 0);
        for (; j0 != 0; j0 = way[j0])
            match[j0] = match[way[j0]];
    }
    for (int j = 1; j <= G; j++)
        row_of[j - 1] = match[j] - 1;
}
