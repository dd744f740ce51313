/* check: assertions that stay on in every build.
 *
 * CHECK is for what cannot happen unless the program itself is wrong; never for input, the network or the database.
 * A failed check prints where and aborts: a daemon in an unknown state must not answer. */
#ifndef EGALIGN_BASE_CHECK_H
#define EGALIGN_BASE_CHECK_H

/* Prints the condition and its place on standard error, and aborts. Called by CHECK only. */
_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

#endif
