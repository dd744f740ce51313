/* intern: small dense numbers for texts: the first is 0, equal texts get equal numbers.
 *
 * Texts are told apart by SHA-256 and not kept. Owned by one thread; a zeroed struct is empty; free with
 * intern_free. */
#ifndef EGALIGN_CLI_INTERN_H
#define EGALIGN_CLI_INTERN_H

#include "base/err.h"
#include "base/str.h"

struct intern {
    unsigned char (*digest)[32]; /* [count] by number */
    int *slot;                   /* [slots] number + 1, or 0; open addressing */
    int count, room, slots;
};

/* The number of (scope, text): texts of two scopes differ. *ret_new says that it was not there before. -1: no
 * memory. */
int intern(struct intern *t, int scope, struct str text, bool *ret_new, struct err *err);

void intern_free(struct intern *t);

#endif
