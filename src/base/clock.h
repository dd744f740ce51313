/* clock: the two clocks of the project, and their printed form.
 *
 * Deadlines and durations use the monotonic clock; only what is shown to people or stored uses wall time. core never
 * includes this header. */
#ifndef EGALIGN_BASE_CLOCK_H
#define EGALIGN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { CLOCK_RFC3339_SIZE = 32 };

int64_t clock_mono_ns(void); /* nanoseconds since some start; never goes back */
int64_t clock_wall_us(void); /* microseconds since 1970-01-01T00:00:00Z */

/* Sleeps for about `ns` nanoseconds, through interruptions. */
void clock_sleep_ns(int64_t ns);

/* "2026-11-22T18:14:22.123456Z" (RFC 3339, UTC) into text[CLOCK_RFC3339_SIZE]. Returns text. */
char *clock_rfc3339(int64_t wall_us, char *text);

/* Reads an RFC 3339 timestamp of the years 1970 to 9998 with its zone ("Z" or "+01:00"; the separator may be a space or
 * a lower-case letter), to the microsecond, further digits cut off. Leap seconds are refused. False on anything else.
 */
bool clock_parse_rfc3339(struct str text, int64_t *ret_wall_us);

#endif
