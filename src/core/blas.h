/* blas: the one way to matrix arithmetic, and the check that it can be trusted.
 *
 * OpenBLAS runs single-threaded here; work is cut into blocks by size and spread by base/threads, so results do not
 * depend on the number of threads. Builds of OpenBLAS without locks give wrong results when several threads call it:
 * blas_start finds them out. Include this instead of cblas.h.
 *
 * Thread rule: blas_start once per process, before other threads call BLAS; it may be repeated. */
#ifndef EGALIGN_CORE_BLAS_H
#define EGALIGN_CORE_BLAS_H

#include <cblas.h>

#include "base/err.h"

/* Sets one thread per call and multiplies matrices of small integers on two threads at once, whose products must be
 * exact. ERR_NUMERICAL when they are not. */
int blas_start(struct err *err);

/* The build of OpenBLAS, its kernels and threading, for the record of a fit; static storage. */
const char *blas_config(void);

/* Switches denormal numbers off in this thread and the threads it makes from now on; returns the former state, to be
 * given back to blas_denormals_restore. They cost a hundred cycles each and never matter here. */
unsigned blas_denormals_off(void);
void blas_denormals_restore(unsigned former);

#endif
