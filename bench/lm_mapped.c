/* lm_mapped: a LLaMA-7B-shaped random BF16 checkpoint, made on the spot in shards, mapped, scored and trained one step
 * through LoRA (rank 16 on q, k, v, o), with the memory that it took.
 *
 * usage: build/release/bench/lm_mapped FOLDER [LAYERS [TOKENS [THREADS]]]     32 layers are 13.5 GB on disk
 * The folder is made when it is not there and left behind; with a config.json in it, it is used as it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/blas.h"
#include "core/lm/adamw.h"
#include "core/lm/checkpoint.h"
#include "core/lm/config_json.h"
#include "core/lm/transformer.h"

enum { MOST_TOKENS = 512, CHUNK = 1 << 20 };
static const size_t shard_bytes = (size_t)4 << 30;

static double seconds_since(int64_t begin)
{
    return (double)(clock_mono_ns() - begin) * 1e-9;
}

/* Numbers of magnitude about 2^-6 with random signs; norms are 1. */
static int write_tensor(FILE *file, const struct lm_tensor *t, uint64_t *state)
{
    static uint16_t chunk[CHUNK];
    size_t count = lm_tensor_count(t);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = count - i < CHUNK ? count - i : CHUNK;
        for (size_t j = 0; j < n; j++) {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            chunk[j] = t->columns ? (uint16_t)((*state & 0x807f) | 0x3c80) : 0x3f80;
        }
        if (fwrite(chunk, sizeof chunk[0], n, file) != n)
            return -1;
    }
    return 0;
}

/* Tensors first .. last - 1 as one file; their names go to the index. */
static int write_shard(const char *folder, const char *name, const struct lm_layout *l, int first, int last,
                       struct buf *index, uint64_t *state)
{
    struct buf header = {0};
    char path[500];
    size_t offset = 0;
    buf_add(&header, (char[8]){0}, 8);
    for (int i = first; i < last; i++) {
        const struct lm_tensor *t = &l->tensors[i];
        size_t bytes = 2 * lm_tensor_count(t);
        buf_printf(&header, "%c\"%s\":{\"dtype\":\"BF16\",\"shape\":[%d", i == first ? '{' : ',', t->name, t->rows);
        if (t->columns)
            buf_printf(&header, ",%d", t->columns);
        buf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
        buf_printf(index, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", t->name, name);
        offset += bytes;
    }
    buf_char(&header, '}');
    while (!header.failed && header.length % 64)
        buf_char(&header, ' ');
    uint64_t length = header.length - 8;
    memcpy(header.data, &length, sizeof length);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    int result = file && fwrite(header.data, 1, header.length, file) == header.length ? 0 : -1;
    for (int i = first; i < last && result == 0; i++)
        result = write_tensor(file, &l->tensors[i], state);
    if (file && fclose(file) != 0)
        result = -1;
    buf_free(&header);
    return result;
}

static int write_text(const char *folder, const char *name, const char *text)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    int result = fputs(text, file) < 0 ? -1 : 0;
    return fclose(file) == 0 ? result : -1;
}

static int make(const char *folder, const struct lm_shape *shape, struct err *err)
{
    struct lm_layout l;
    struct buf index = {0};
    uint64_t state = 88172645463325252u;
    char *config = config_json_compose(shape, DTYPE_BF16, err);
    int result = config ? lm_layout_make(shape, &l, err) : -1;
    if (result < 0)
        return -1;
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        result = -1;
    buf_text(&index, "{\"weight_map\":{");
    for (int first = 0, last, shard = 1; first < l.tensor_count && result == 0; first = last, shard++) {
        char name[60];
        size_t bytes = 0;
        for (last = first; last < l.tensor_count && (last == first || bytes < shard_bytes); last++)
            bytes += 2 * lm_tensor_count(&l.tensors[last]);
        snprintf(name, sizeof name, "model-%05d.safetensors", shard);
        result = write_shard(folder, name, &l, first, last, &index, &state);
    }
    buf_text(&index, "}}");
    if (result < 0 || write_text(folder, "model.safetensors.index.json", index.data) < 0 ||
        write_text(folder, "config.json", config) < 0)
        result = err_errno(err, "cannot write into %s", folder);
    lm_layout_free(&l);
    buf_free(&index);
    free(config);
    return result;
}

static void weigh_mean(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                       float *dentropy)
{
    (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1.0f / (float)*(const int *)context;
}

/* Scores one sequence, takes a step, and scores again. */
static int train(const struct lm_model *m, struct threads *threads, int tokens_count, struct err *err)
{
    static int32_t tokens[MOST_TOKENS];
    static int rows[MOST_TOKENS];
    static float logp[MOST_TOKENS];
    int starts[] = {0, tokens_count}, result = -1;
    for (int i = 0; i < tokens_count; i++) {
        tokens[i] = i * 7919 % m->shape.vocabulary;
        rows[i] = i;
    }
    struct lm_adapters *a = lora_new(&m->shape, "q_proj,k_proj,v_proj,o_proj", 16, 32, 1, err);
    struct lm_options options = {.gemm = {gemm_backend(NULL, NULL), threads}, .max_tokens = tokens_count,
                                 .max_sequence = tokens_count, .train = true, .recompute = true, .adapters = a,
                                 .mapped = true};
    struct adamw_options how = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1};
    struct lm_run *run = a ? lm_run_new(m, &options, err) : NULL;
    struct adamw *adam = run ? adamw_new(m, run, &how, err) : NULL;
    struct lm_batch batch = {.sequences = 1, .starts = starts, .tokens = tokens};
    struct lm_head_request request = {.count = tokens_count, .rows = rows, .targets = tokens, .temperature = 1,
                                      .logp = logp, .context = &tokens_count};
    for (int pass = 0; pass < 2 && adam; pass++) {
        int64_t begin = clock_mono_ns();
        double loss = 0, norm;
        request.weigh = pass == 0 ? weigh_mean : NULL;
        if (lm_forward(run, &batch, NULL, err) < 0)
            goto out;
        lm_head(run, &request);
        for (int i = 0; i < tokens_count; i++)
            loss -= logp[i] / tokens_count;
        printf("scored %d tokens in %.1f s, loss %.4f\n", tokens_count, seconds_since(begin), loss);
        if (pass == 0) {
            lm_backward(run);
            if (adamw_step(adam, 1e-3f, &norm, err) < 0)
                goto out;
            printf("step of %zu adapter weights in %.1f s with the forward pass, gradient norm %.3g\n",
                   lm_trained(run).count, seconds_since(begin), norm);
        }
        result = pass;
    }
    printf("predicted beside the mapping: %.2f GB\n",
           (double)(lm_run_bytes(&m->shape, &options) + adamw_bytes(lm_trained(run).count)) / 1e9);
out:
    adamw_free(adam);
    lm_run_free(run);
    lora_free(a);
    return result < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct lm_shape shape = {.family = LM_LLAMA, .vocabulary = 32000, .context = 4096, .width = 4096, .heads = 32,
                             .kv_heads = 32, .head_width = 128, .hidden = 11008, .norm_eps = 1e-5, .rope_theta = 1e4,
                             .bos = 1, .eos = 2};
    shape.layers = argc > 2 ? atoi(argv[2]) : 32;
    int tokens = argc > 3 ? atoi(argv[3]) : 32;
    char path[500];
    if (argc < 2 || tokens < 2 || tokens > MOST_TOKENS) {
        fprintf(stderr, "usage: lm_mapped FOLDER [LAYERS [TOKENS (2 .. %d) [THREADS]]]\n", MOST_TOKENS);
        return 2;
    }
    struct threads *threads = threads_new(argc > 4 ? atoi(argv[4]) : 2, &err);
    struct lm_model *m = NULL;
    int64_t begin = clock_mono_ns();
    snprintf(path, sizeof path, "%s/config.json", argv[1]);
    if (!threads || blas_start(&err) < 0 || (access(path, F_OK) != 0 && make(argv[1], &shape, &err) < 0))
        goto out;
    printf("checkpoint there after %.1f s\n", seconds_since(begin));
    begin = clock_mono_ns();
    m = checkpoint_map(argv[1], &err);
    if (!m)
        goto out;
    printf("%.2f G parameters mapped and checked in %.1f s\n", (double)m->layout.count / 1e9, seconds_since(begin));
    train(m, threads, tokens, &err);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak    %.2f GB, of which the file's own pages can be dropped\n", (double)usage.ru_maxrss / 1e6);
out:
    if (err.code != ERR_OK)
        fprintf(stderr, "%s\n", err.message);
    lm_model_free(m);
    threads_free(threads);
    return err.code != ERR_OK;
}
