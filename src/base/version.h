/* version: what this program is, for /version, the fits that it makes, and --version. */
#ifndef EGALIGN_BASE_VERSION_H
#define EGALIGN_BASE_VERSION_H

extern const char version_number[];   /* "0.1.0" */
extern const char version_revision[]; /* git describe of the source, or "unknown" */

#endif
