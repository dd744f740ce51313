/* The kernels for any CPU, and the choice among the sets. */
#define KERNEL_SET      kernels_portable
#define KERNEL_SET_NAME "portable"
#include "core/lm/kernels_body.h"

const struct kernels *kernels_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &kernels_avx2;
#endif
    return &kernels_portable;
}
