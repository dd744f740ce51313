/* The kernels for x86-64 CPUs with AVX2 and FMA; the Makefile gives this file the flags. */
#if defined(__x86_64__)
#define KERNEL_SET      kernels_avx2
#define KERNEL_SET_NAME "avx2"
#include "core/lm/kernels_body.h"
#else
typedef int kernels_avx2_is_for_x86_64;
#endif
