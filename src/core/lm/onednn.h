/* onednn: matrix products by oneDNN (version 2), which is loaded when it is first asked for.
 *
 * The library is 40 MB and brings a C++ runtime, so nothing links it: programs that multiply no bf16 never open it, and
 * where it is missing bf16.h rounds and lets OpenBLAS multiply. It refuses to use threads of its own: each calling
 * thread tells OpenMP, on which the library is built, that it is one thread, before it makes a primitive, and the
 * primitive then runs in the caller alone. Primitives are compiled for a shape; each thread keeps those that it used
 * last in a small table of its own, which is released when the thread ends. So there are no locks.
 *
 * Thread rule: any thread, at any time. */
#ifndef EGALIGN_CORE_LM_ONEDNN_H
#define EGALIGN_CORE_LM_ONEDNN_H

#include <stdbool.h>

enum onednn_type { ONEDNN_F32, ONEDNN_BF16 };

/* C = alpha op(A) op(B) + beta C as in gemm.h; A and B hold elements of `type`, C floats. */
struct onednn_product {
    enum onednn_type type;
    bool transpose_a, transpose_b;
    int m, n, k;
    float alpha, beta;
    const void *a;
    int lda;
    const void *b;
    int ldb;
    float *c;
    int ldc;
};

/* What was found: "oneDNN 2.6.3, AMX", or why it cannot be used; static storage. */
const char *onednn_found(void);

/* Whether the library could be loaded. */
bool onednn_present(void);

/* Whether it multiplies bf16 by instructions of this CPU (AVX512-BF16 or AMX), which is where its bf16 is faster than
 * fp32. The CPU is asked first: the library is not opened where it would not help. */
bool onednn_has_bf16(void);

/* Computes the product in the calling thread. -1 when the library cannot (the caller then multiplies another way). */
int onednn_multiply(const struct onednn_product *product);

#endif
