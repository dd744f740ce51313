#include "core/lm/onednn.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#if defined(__x86_64__) && __has_include(<dnnl.h>)
#include <dnnl.h>
#endif

/* Version 3 has another interface. */
#if defined(DNNL_VERSION_MAJOR) && DNNL_VERSION_MAJOR == 2

enum { KEPT = 512 /* primitives of a thread */, OPERANDS = 3 };

#define FUNCTIONS(F)                                                                                                   \
    F(dnnl_version)                                                                                                    \
    F(dnnl_get_effective_cpu_isa)                                                                                      \
    F(dnnl_engine_create)                                                                                              \
    F(dnnl_engine_destroy)                                                                                             \
    F(dnnl_stream_create)                                                                                              \
    F(dnnl_stream_destroy)                                                                                             \
    F(dnnl_memory_desc_init_by_strides)                                                                                \
    F(dnnl_matmul_desc_init)                                                                                           \
    F(dnnl_primitive_attr_create)                                                                                      \
    F(dnnl_primitive_attr_destroy)                                                                                     \
    F(dnnl_primitive_attr_set_output_scales)                                                                           \
    F(dnnl_primitive_attr_set_post_ops)                                                                                \
    F(dnnl_post_ops_create)                                                                                            \
    F(dnnl_post_ops_destroy)                                                                                           \
    F(dnnl_post_ops_append_sum)                                                                                        \
    F(dnnl_primitive_desc_create)                                                                                      \
    F(dnnl_primitive_desc_destroy)                                                                                     \
    F(dnnl_primitive_create)                                                                                           \
    F(dnnl_primitive_destroy)                                                                                          \
    F(dnnl_primitive_execute)                                                                                          \
    F(dnnl_memory_create)                                                                                              \
    F(dnnl_memory_destroy)                                                                                             \
    F(dnnl_memory_set_data_handle)

/* The library as it was found, once a process. */
struct library {
    bool present, has_bf16;
    char found[120];
    void (*omp_set_num_threads)(int);
#define MEMBER(name) __typeof__(name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

/* What a primitive is made for. Compared as bytes, so it has no gaps: every member is 4 bytes wide. */
struct key {
    int32_t type, transpose_a, transpose_b, m, n, k, lda, ldb, ldc;
    float alpha, beta;
};

struct kept {
    struct key key;
    dnnl_primitive_t primitive; /* NULL: the place is free */
    dnnl_memory_t operands[OPERANDS];
};

struct thread_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct kept kept[KEPT];
};

static struct library library;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t state_key;

static void forget(struct kept *k)
{
    for (int i = 0; i < OPERANDS; i++)
        if (k->operands[i])
            library.dnnl_memory_destroy(k->operands[i]);
    if (k->primitive)
        library.dnnl_primitive_destroy(k->primitive);
    *k = (struct kept){0};
}

static void free_state(void *state)
{
    struct thread_state *t = state;
    for (int i = 0; i < KEPT; i++)
        forget(&t->kept[i]);
    if (t->stream)
        library.dnnl_stream_destroy(t->stream);
    if (t->engine)
        library.dnnl_engine_destroy(t->engine);
    mem_free(t);
}

static void describe(void)
{
    const dnnl_version_t *v = library.dnnl_version();
    unsigned isa = library.dnnl_get_effective_cpu_isa();
    bool amx = (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
    library.has_bf16 = (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
    snprintf(library.found, sizeof library.found, "oneDNN %d.%d.%d, %s", v->major, v->minor, v->patch,
             amx ? "AMX" : library.has_bf16 ? "AVX512-BF16" : "no bf16 in this CPU");
}

static void load(void)
{
    snprintf(library.found, sizeof library.found, "oneDNN 2 (libdnnl.so.2) is not installed");
    void *handle = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!handle || pthread_key_create(&state_key, free_state) != 0)
        return;
    bool whole = (library.omp_set_num_threads = (void (*)(int))dlsym(handle, "omp_set_num_threads")) != NULL;
#define FIND(name) whole = (library.name = (__typeof__(name) *)dlsym(handle, #name)) != NULL && whole;
    FUNCTIONS(FIND)
#undef FIND
    library.present = whole;
    if (whole)
        describe();
    else
        snprintf(library.found, sizeof library.found, "libdnnl.so.2 is not a build of oneDNN 2 with OpenMP");
}

static struct thread_state *state_of_thread(void)
{
    struct thread_state *t = pthread_getspecific(state_key);
    if (t)
        return t;
    library.omp_set_num_threads(1);
    t = mem_zeroed(1, sizeof *t);
    if (!t)
        return NULL;
    if (library.dnnl_engine_create(&t->engine, dnnl_cpu, 0) != dnnl_success ||
        library.dnnl_stream_create(&t->stream, t->engine, dnnl_stream_default_flags) != dnnl_success ||
        pthread_setspecific(state_key, t) != 0) {
        free_state(t);
        return NULL;
    }
    return t;
}

/* alpha as an output scale, beta as the scale of a sum with what is there. */
static dnnl_primitive_attr_t attributes(const struct key *k)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    bool made = library.dnnl_primitive_attr_create(&attr) == dnnl_success;
    if (made && k->alpha != 1)
        made = library.dnnl_primitive_attr_set_output_scales(attr, 1, 0, &k->alpha) == dnnl_success;
    if (made && k->beta != 0)
        made = library.dnnl_post_ops_create(&ops) == dnnl_success &&
               library.dnnl_post_ops_append_sum(ops, k->beta) == dnnl_success &&
               library.dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    if (ops)
        library.dnnl_post_ops_destroy(ops);
    if (made)
        return attr;
    if (attr)
        library.dnnl_primitive_attr_destroy(attr);
    return NULL;
}

/* op(X) of rows x columns: stored so, or the other way round. */
static bool describe_matrix(dnnl_memory_desc_t *d, int rows, int columns, int stride, bool transposed,
                            dnnl_data_type_t type)
{
    dnnl_dims_t dims = {rows, columns}, strides = {transposed ? 1 : stride, transposed ? stride : 1};
    return library.dnnl_memory_desc_init_by_strides(d, 2, dims, type, strides) == dnnl_success;
}

static bool make(const struct thread_state *t, const struct key *k, struct kept *ret)
{
    dnnl_data_type_t type = k->type == ONEDNN_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t d[OPERANDS];
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = attributes(k);
    bool made = attr && describe_matrix(&d[0], k->m, k->k, k->lda, k->transpose_a, type) &&
                describe_matrix(&d[1], k->k, k->n, k->ldb, k->transpose_b, type) &&
                describe_matrix(&d[2], k->m, k->n, k->ldc, false, dnnl_f32) &&
                library.dnnl_matmul_desc_init(&matmul, &d[0], &d[1], NULL, &d[2]) == dnnl_success &&
                library.dnnl_primitive_desc_create(&pd, &matmul, attr, t->engine, NULL) == dnnl_success &&
                library.dnnl_primitive_create(&ret->primitive, pd) == dnnl_success;
    for (int i = 0; i < OPERANDS && made; i++)
        made = library.dnnl_memory_create(&ret->operands[i], &d[i], t->engine, DNNL_MEMORY_NONE) == dnnl_success;
    if (pd)
        library.dnnl_primitive_desc_destroy(pd);
    if (attr)
        library.dnnl_primitive_attr_destroy(attr);
    ret->key = *k;
    if (!made)
        forget(ret);
    return made;
}

/* FNV-1a. */
static uint32_t hash(const struct key *k)
{
    const unsigned char *bytes = (const unsigned char *)k;
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < sizeof *k; i++)
        h = (h ^ bytes[i]) * 16777619u;
    return h;
}

bool onednn_present(void)
{
    pthread_once(&once, load);
    return library.present;
}

bool onednn_has_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16") && onednn_present() && library.has_bf16;
}

const char *onednn_found(void)
{
    onednn_present();
    return library.found;
}

int onednn_multiply(const struct onednn_product *p)
{
    struct thread_state *t = onednn_present() ? state_of_thread() : NULL;
    if (!t)
        return -1;
    struct key key = {p->type, p->transpose_a, p->transpose_b, p->m,     p->n,   p->k,
                      p->lda,  p->ldb,         p->ldc,         p->alpha, p->beta};
    struct kept *k = &t->kept[hash(&key) % KEPT];
    if (!k->primitive || memcmp(&k->key, &key, sizeof key) != 0) {
        forget(k);
        if (!make(t, &key, k))
            return -1;
    }
    const void *data[OPERANDS] = {p->a, p->b, p->c};
    for (int i = 0; i < OPERANDS; i++)
        library.dnnl_memory_set_data_handle(k->operands[i], (void *)data[i]);
    dnnl_exec_arg_t arguments[OPERANDS] = {
        {DNNL_ARG_SRC, k->operands[0]}, {DNNL_ARG_WEIGHTS, k->operands[1]}, {DNNL_ARG_DST, k->operands[2]}};
    return library.dnnl_primitive_execute(k->primitive, t->stream, OPERANDS, arguments) == dnnl_success ? 0 : -1;
}

#else

bool onednn_present(void)
{
    return false;
}

bool onednn_has_bf16(void)
{
    return false;
}

const char *onednn_found(void)
{
    return "this build does not know oneDNN 2";
}

int onednn_multiply(const struct onednn_product *p)
{
    (void)p;
    return -1;
}

#endif
