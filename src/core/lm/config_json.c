/* config.json of the two families: read with every setting that matters checked, and written back. */
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "core/lm/checkpoint.h"
#include "core/lm/config_json.h"

/* An integer member within 1 .. INT_MAX; `fallback` when absent or null, an error when that is 0. */
static int read_count(json_t *config, const char *name, int fallback, int *ret, struct err *err)
{
    json_t *value = json_object_get(config, name);
    if (!value || json_is_null(value)) {
        if (fallback == 0)
            return err_set(err, ERR_BAD_FILE, "config.json: %s is missing", name);
        *ret = fallback;
        return 0;
    }
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 1 || n > INT_MAX)
        return err_set(err, ERR_BAD_FILE, "config.json: %s is not a whole number above 0", name);
    *ret = (int)n;
    return 0;
}

static int read_real(json_t *config, const char *name, double fallback, double *ret, struct err *err)
{
    json_t *value = json_object_get(config, name);
    *ret = json_is_number(value) ? json_number_value(value) : fallback;
    if (value && !json_is_null(value) && !json_is_number(value))
        return err_set(err, ERR_BAD_FILE, "config.json: %s is not a number", name);
    return 0;
}

static int read_switch(json_t *config, const char *name, bool fallback, bool *ret, struct err *err)
{
    json_t *value = json_object_get(config, name);
    *ret = value && !json_is_null(value) ? json_is_true(value) : fallback;
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return err_set(err, ERR_BAD_FILE, "config.json: %s is neither true nor false", name);
    return 0;
}

/* A switch that must have one value, for the other one is not implemented. */
static int demand(json_t *config, const char *name, bool wanted, struct err *err)
{
    bool value;
    if (read_switch(config, name, wanted, &value, err) < 0)
        return -1;
    if (value != wanted)
        return err_set(err, ERR_BAD_FILE, "config.json: %s = %s is not supported", name, value ? "true" : "false");
    return 0;
}

/* A text that must be one of two, when it is given. */
static int demand_text(json_t *config, const char *name, const char *one, const char *other, struct err *err)
{
    json_t *value = json_object_get(config, name);
    if (!value || json_is_null(value))
        return 0;
    const char *text = json_string_value(value);
    if (!text || (strcmp(text, one) != 0 && strcmp(text, other) != 0))
        return err_set(err, ERR_BAD_FILE, "config.json: %s = \"%.60s\" is not supported", name, text ? text : "?");
    return 0;
}

/* A token id, or the first of a list of them; -1 when there is none. */
static int token_id(json_t *config, const char *name)
{
    json_t *value = json_object_get(config, name);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    return id >= 0 && id <= INT_MAX ? (int)id : -1;
}

static int read_gpt2(json_t *config, struct lm_shape *s, struct err *err)
{
    double eps;
    if (read_count(config, "n_embd", 0, &s->width, err) < 0 || read_count(config, "n_layer", 0, &s->layers, err) < 0 ||
        read_count(config, "n_head", 0, &s->heads, err) < 0 ||
        read_count(config, "n_positions", 1024, &s->context, err) < 0 ||
        read_count(config, "n_inner", s->width <= INT_MAX / 4 ? 4 * s->width : INT_MAX, &s->hidden, err) < 0 ||
        read_real(config, "layer_norm_epsilon", 1e-5, &eps, err) < 0 ||
        read_switch(config, "tie_word_embeddings", true, &s->tied, err) < 0 ||
        demand(config, "scale_attn_weights", true, err) < 0 ||
        demand(config, "scale_attn_by_inverse_layer_idx", false, err) < 0 ||
        demand(config, "add_cross_attention", false, err) < 0 ||
        demand_text(config, "activation_function", "gelu_new", "gelu_pytorch_tanh", err) < 0)
        return -1;
    s->kv_heads = s->heads;
    s->head_width = s->width / s->heads;
    s->norm_eps = eps;
    return 0;
}

/* theta is a member, or one of rope_parameters; scaled variants compute other angles and are refused. */
static int read_rope(json_t *config, struct lm_shape *s, struct err *err)
{
    json_t *scaling = json_object_get(config, "rope_scaling"), *rope = json_object_get(config, "rope_parameters");
    if (scaling && !json_is_null(scaling))
        return err_set(err, ERR_BAD_FILE, "config.json: rope_scaling is not supported");
    if (json_is_object(rope)) {
        if (demand_text(rope, "rope_type", "default", "default", err) < 0)
            return -1;
        config = rope;
    }
    return read_real(config, "rope_theta", 10000, &s->rope_theta, err);
}

static int read_llama(json_t *config, struct lm_shape *s, struct err *err)
{
    double eps;
    if (read_count(config, "hidden_size", 0, &s->width, err) < 0 ||
        read_count(config, "num_hidden_layers", 0, &s->layers, err) < 0 ||
        read_count(config, "num_attention_heads", 0, &s->heads, err) < 0 ||
        read_count(config, "num_key_value_heads", s->heads, &s->kv_heads, err) < 0 ||
        read_count(config, "head_dim", s->width / s->heads, &s->head_width, err) < 0 ||
        read_count(config, "intermediate_size", 0, &s->hidden, err) < 0 ||
        read_count(config, "max_position_embeddings", 2048, &s->context, err) < 0 ||
        read_real(config, "rms_norm_eps", 1e-6, &eps, err) < 0 || read_rope(config, s, err) < 0 ||
        read_switch(config, "tie_word_embeddings", false, &s->tied, err) < 0 ||
        demand(config, "attention_bias", false, err) < 0 || demand(config, "mlp_bias", false, err) < 0 ||
        demand_text(config, "hidden_act", "silu", "swish", err) < 0)
        return -1;
    s->norm_eps = eps;
    return 0;
}

static int read_config(json_t *config, struct lm_shape *s, struct err *err)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    if (!type || (strcmp(type, "gpt2") != 0 && strcmp(type, "llama") != 0))
        return err_set(err, ERR_BAD_FILE, "config.json: model_type \"%.60s\" is not supported; gpt2 and llama are",
                       type ? type : "");
    s->family = strcmp(type, "llama") == 0 ? LM_LLAMA : LM_GPT2;
    s->bos = token_id(config, "bos_token_id");
    s->eos = token_id(config, "eos_token_id");
    if (read_count(config, "vocab_size", 0, &s->vocabulary, err) < 0)
        return -1;
    if ((s->family == LM_LLAMA ? read_llama : read_gpt2)(config, s, err) < 0)
        return -1;
    if (lm_shape_check(s, err) < 0) {
        err_wrap(err, "config.json");
        if (err)
            err->code = ERR_BAD_FILE;
        return -1;
    }
    return 0;
}

int checkpoint_config(const char *text, size_t length, struct lm_shape *ret, struct err *err)
{
    *ret = (struct lm_shape){.rope_theta = 10000};
    if (length > CONFIG_JSON_MAX)
        return err_set(err, ERR_BAD_FILE, "config.json is larger than %d bytes", CONFIG_JSON_MAX);
    json_error_t where;
    json_t *config = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(config)) {
        json_decref(config);
        return err_set(err, ERR_BAD_FILE, "config.json is not a JSON object: %s", config ? "" : where.text);
    }
    int result = read_config(config, ret, err);
    json_decref(config);
    return result;
}

static json_t *gpt2_config(const struct lm_shape *s)
{
    return json_pack("{s:[s],s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:b}", "architectures",
                     s->scalars ? "GPT2ForSequenceClassification" : "GPT2LMHeadModel", "model_type", "gpt2",
                     "activation_function", "gelu_new", "vocab_size", s->vocabulary, "n_positions", s->context, "n_ctx",
                     s->context, "n_embd", s->width, "n_layer", s->layers, "n_head", s->heads, "n_inner", s->hidden,
                     "layer_norm_epsilon", s->norm_eps, "attn_pdrop", 0.0, "embd_pdrop", 0.0, "resid_pdrop",
                     0.0, "tie_word_embeddings", (int)s->tied);
}

static json_t *llama_config(const struct lm_shape *s)
{
    return json_pack("{s:[s],s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:n,s:b,s:b,s:b}", "architectures",
                     s->scalars ? "LlamaForSequenceClassification" : "LlamaForCausalLM", "model_type", "llama",
                     "hidden_act", "silu", "vocab_size", s->vocabulary, "max_position_embeddings", s->context,
                     "hidden_size", s->width, "intermediate_size", s->hidden, "num_hidden_layers", s->layers,
                     "num_attention_heads", s->heads, "num_key_value_heads", s->kv_heads, "head_dim", s->head_width,
                     "rms_norm_eps", s->norm_eps, "rope_theta", s->rope_theta, "rope_scaling",
                     "attention_bias", 0, "mlp_bias", 0, "tie_word_embeddings", (int)s->tied);
}

char *config_json_compose(const struct lm_shape *s, enum safetensors_dtype stored, struct err *err)
{
    json_t *config = s->family == LM_LLAMA ? llama_config(s) : gpt2_config(s);
    int failed = !config;
    failed |= json_object_set_new(config, "torch_dtype", json_string(stored == DTYPE_BF16 ? "bfloat16" : "float32"));
    if (s->scalars > 0)
        failed |= json_object_set_new(config, "num_labels", json_integer(s->scalars));
    if (s->bos >= 0)
        failed |= json_object_set_new(config, "bos_token_id", json_integer(s->bos));
    if (s->eos >= 0)
        failed |= json_object_set_new(config, "eos_token_id", json_integer(s->eos));
    char *text = failed ? NULL : json_dumps(config, JSON_INDENT(2));
    json_decref(config);
    if (!text)
        err_memory(err);
    return text;
}
