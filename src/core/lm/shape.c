#include "core/lm/shape.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { MAX_DIMENSION = 1 << 22, MAX_LAYERS = 1024, MAX_HEAD_WIDTH = 4096, ALIGNMENT = 16 };

const char *lm_family_name(enum lm_family family)
{
    return family == LM_LLAMA ? "llama" : "gpt2";
}

int lm_shape_check(const struct lm_shape *s, struct err *err)
{
    const struct {
        const char *name;
        int value, most;
    } ranges[] = {
        {"vocabulary", s->vocabulary, MAX_DIMENSION}, {"context", s->context, MAX_DIMENSION},
        {"layers", s->layers, MAX_LAYERS},            {"width", s->width, 1 << 17},
        {"heads", s->heads, 1 << 12},                 {"kv_heads", s->kv_heads, 1 << 12},
        {"head_width", s->head_width, MAX_HEAD_WIDTH}, {"hidden", s->hidden, 1 << 20},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].value < 1 || ranges[i].value > ranges[i].most)
            return err_set(err, ERR_INVALID_VALUE, "%s is %d, not 1 .. %d", ranges[i].name, ranges[i].value,
                           ranges[i].most);
    if (s->heads % s->kv_heads != 0)
        return err_set(err, ERR_INVALID_VALUE, "%d heads cannot share %d key heads", s->heads, s->kv_heads);
    if ((long)s->heads * s->head_width > 1 << 17)
        return err_set(err, ERR_INVALID_VALUE, "%d heads of %d columns are too wide", s->heads, s->head_width);
    if (s->family == LM_LLAMA && s->head_width % 2 != 0)
        return err_set(err, ERR_INVALID_VALUE, "head_width is %d: rotary positions need an even one", s->head_width);
    if (s->family == LM_GPT2 && (s->kv_heads != s->heads || s->heads * s->head_width != s->width))
        return err_set(err, ERR_INVALID_VALUE, "width %d does not divide into %d heads", s->width, s->heads);
    if (!(s->norm_eps > 0 && s->norm_eps < 1))
        return err_set(err, ERR_INVALID_VALUE, "norm_eps is %g, not between 0 and 1", s->norm_eps);
    if (s->family == LM_LLAMA && !(s->rope_theta >= 1 && s->rope_theta < 1e12))
        return err_set(err, ERR_INVALID_VALUE, "rope_theta is %g, not 1 .. 1e12", s->rope_theta);
    if (s->scalars < 0 || s->scalars > 1024)
        return err_set(err, ERR_INVALID_VALUE, "%d scalar heads, not 0 .. 1024", s->scalars);
    return 0;
}

struct layer_out {
    const struct lm_shape *shape;
    struct lm_layout *layout;
};

/* The next free offset for a part that must begin aligned. */
static size_t begin(struct layer_out *o)
{
    o->layout->count = (o->layout->count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return o->layout->count;
}

/* Adds a tensor right behind the last one. */
static void add(struct layer_out *o, int rows, int columns, bool decays, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void add(struct layer_out *o, int rows, int columns, bool decays, const char *format, ...)
{
    struct lm_tensor *t = &o->layout->tensors[o->layout->tensor_count++];
    *t = (struct lm_tensor){.offset = o->layout->count, .rows = rows, .columns = columns, .decays = decays};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(t->name, sizeof t->name, format, arguments);
    va_end(arguments);
    CHECK(length > 0 && (size_t)length < sizeof t->name);
    o->layout->count += lm_tensor_count(t);
}

static struct lm_norm add_norm(struct layer_out *o, const char *prefix)
{
    struct lm_norm n = {.weight = begin(o), .bias = LM_ABSENT};
    add(o, o->shape->width, 0, false, "%s.weight", prefix);
    if (o->shape->family == LM_LLAMA)
        return n;
    n.bias = begin(o);
    add(o, o->shape->width, 0, false, "%s.bias", prefix);
    return n;
}

/* GPT-2: Conv1D, [in, out] with a bias. */
static struct lm_linear add_conv1d(struct layer_out *o, int in, int out, const char *prefix)
{
    struct lm_linear l = {.weight = begin(o), .in = in, .out = out};
    add(o, in, out, true, "%s.weight", prefix);
    l.bias = begin(o);
    add(o, out, 0, false, "%s.bias", prefix);
    return l;
}

static void add_gpt2_block(struct layer_out *o, int index)
{
    const struct lm_shape *s = o->shape;
    struct lm_block *b = &o->layout->blocks[index];
    char prefix[64];
    snprintf(prefix, sizeof prefix, "transformer.h.%d.ln_1", index);
    b->norm1 = add_norm(o, prefix);
    snprintf(prefix, sizeof prefix, "transformer.h.%d.attn.c_attn", index);
    b->qkv = add_conv1d(o, s->width, 3 * s->width, prefix);
    snprintf(prefix, sizeof prefix, "transformer.h.%d.attn.c_proj", index);
    b->proj = add_conv1d(o, s->width, s->width, prefix);
    snprintf(prefix, sizeof prefix, "transformer.h.%d.ln_2", index);
    b->norm2 = add_norm(o, prefix);
    snprintf(prefix, sizeof prefix, "transformer.h.%d.mlp.c_fc", index);
    b->up = add_conv1d(o, s->width, s->hidden, prefix);
    snprintf(prefix, sizeof prefix, "transformer.h.%d.mlp.c_proj", index);
    b->down = add_conv1d(o, s->hidden, s->width, prefix);
}

/* LLaMA: Linear, [out, in] without bias; the parts of a fused matrix follow each other without a gap. */
static struct lm_linear begin_linear(struct layer_out *o, int in, int out)
{
    return (struct lm_linear){.weight = begin(o), .bias = LM_ABSENT, .in = in, .out = out, .transposed = true};
}

static void add_llama_block(struct layer_out *o, int index)
{
    const struct lm_shape *s = o->shape;
    struct lm_block *b = &o->layout->blocks[index];
    int q = s->heads * s->head_width, kv = s->kv_heads * s->head_width;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.layers.%d.input_layernorm", index);
    b->norm1 = add_norm(o, prefix);
    b->qkv = begin_linear(o, s->width, q + 2 * kv);
    add(o, q, s->width, true, "model.layers.%d.self_attn.q_proj.weight", index);
    add(o, kv, s->width, true, "model.layers.%d.self_attn.k_proj.weight", index);
    add(o, kv, s->width, true, "model.layers.%d.self_attn.v_proj.weight", index);
    b->proj = begin_linear(o, q, s->width);
    add(o, s->width, q, true, "model.layers.%d.self_attn.o_proj.weight", index);
    snprintf(prefix, sizeof prefix, "model.layers.%d.post_attention_layernorm", index);
    b->norm2 = add_norm(o, prefix);
    b->up = begin_linear(o, s->width, 2 * s->hidden);
    add(o, s->hidden, s->width, true, "model.layers.%d.mlp.gate_proj.weight", index);
    add(o, s->hidden, s->width, true, "model.layers.%d.mlp.up_proj.weight", index);
    b->down = begin_linear(o, s->hidden, s->width);
    add(o, s->width, s->hidden, true, "model.layers.%d.mlp.down_proj.weight", index);
}

static void add_heads(struct layer_out *o)
{
    const struct lm_shape *s = o->shape;
    struct lm_layout *l = o->layout;
    l->head = (struct lm_linear){.weight = l->tokens, .bias = LM_ABSENT, .in = s->width, .out = s->vocabulary,
                                 .transposed = true};
    if (!s->tied) {
        l->head.weight = begin(o);
        add(o, s->vocabulary, s->width, true, "lm_head.weight");
    }
    l->scalar = (struct lm_linear){.weight = LM_ABSENT, .bias = LM_ABSENT, .in = s->width, .out = s->scalars,
                                   .transposed = true};
    if (s->scalars > 0) {
        l->scalar.weight = begin(o);
        add(o, s->scalars, s->width, true, "score.weight");
        l->scalar.bias = begin(o);
        add(o, s->scalars, 0, false, "score.bias");
    }
}

int lm_layout_make(const struct lm_shape *s, struct lm_layout *ret, struct err *err)
{
    *ret = (struct lm_layout){.positions = LM_ABSENT};
    ret->blocks = mem_zeroed((size_t)s->layers, sizeof ret->blocks[0]);
    ret->tensors = mem_zeroed((size_t)s->layers * 12 + 8, sizeof ret->tensors[0]);
    if (!ret->blocks || !ret->tensors) {
        lm_layout_free(ret);
        return err_memory(err);
    }
    struct layer_out o = {s, ret};
    bool llama = s->family == LM_LLAMA;
    ret->tokens = begin(&o);
    add(&o, s->vocabulary, s->width, true, llama ? "model.embed_tokens.weight" : "transformer.wte.weight");
    if (!llama) {
        ret->positions = begin(&o);
        add(&o, s->context, s->width, true, "transformer.wpe.weight");
    }
    for (int i = 0; i < s->layers; i++)
        (llama ? add_llama_block : add_gpt2_block)(&o, i);
    ret->last_norm = add_norm(&o, llama ? "model.norm" : "transformer.ln_f");
    add_heads(&o);
    begin(&o);
    return 0;
}

void lm_layout_free(struct lm_layout *layout)
{
    mem_free(layout->blocks);
    mem_free(layout->tensors);
    *layout = (struct lm_layout){0};
}

size_t lm_layout_start(const struct lm_layout *layout, const struct lm_shape *shape, int frozen)
{
    CHECK(frozen >= 0 && frozen <= shape->layers);
    if (frozen == 0)
        return 0;
    return frozen == shape->layers ? layout->last_norm.weight : layout->blocks[frozen].norm1.weight;
}

int lm_layout_find(const struct lm_layout *layout, size_t offset)
{
    int low = 0, high = layout->tensor_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (layout->tensors[middle].offset + lm_tensor_count(&layout->tensors[middle]) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
