#include "core/align/sft_start.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/lm/bpe_train.h"

enum { HEAD_WIDTH = 64, SMALL = 512 /* width */ };

void sft_start_default(struct sft_start *ret)
{
    *ret = (struct sft_start){.vocabulary = 8192, .context = 512, .held_out = 0.02, .seed = 1};
}

void sft_options_default(bool is_new, struct sft_options *ret)
{
    *ret = (struct sft_options){.epochs = 2,
                                .batch_tokens = 4096,
                                .rate = is_new ? 1e-3 : 2e-5,
                                .warm_up = 0.05,
                                .weight_decay = is_new ? 0.1 : 0,
                                .seed = 1};
}

static int learn_example(void *trainer, struct str prompt, struct str text, struct err *err)
{
    if (prompt.ptr && bpe_trainer_add(trainer, prompt, err) < 0)
        return -1;
    return bpe_trainer_add(trainer, text, err);
}

static int train_tokenizer(const struct sft_start *start, struct tokenizer **ret, struct err *err)
{
    struct bpe_trainer *trainer = bpe_trainer_new(err);
    *ret = NULL;
    if (trainer && start->read(start->source, learn_example, trainer, err) == 0)
        *ret = bpe_trainer_finish(trainer, (int)start->vocabulary, err);
    bpe_trainer_free(trainer);
    return *ret ? 0 : -1;
}

/* A tokenizer from the examples, and a model of random weights for it. */
static int start_new(const struct sft_start *start, struct language_model *l, struct err *err)
{
    if (start->layers < 1 || start->width < SFT_START_WIDTH || start->width % SFT_START_WIDTH)
        return err_set(err, ERR_INVALID_VALUE, "a new model has a layer or more, and a width that is a multiple of %d",
                       SFT_START_WIDTH);
    if (train_tokenizer(start, &l->tokenizer, err) < 0)
        return -1;
    int head = start->width >= SMALL && start->width % HEAD_WIDTH == 0 ? HEAD_WIDTH : SFT_START_WIDTH;
    int32_t end = tokenizer_end(l->tokenizer);
    struct lm_shape shape = {.family = LM_GPT2,
                             .vocabulary = (int)tokenizer_count(l->tokenizer),
                             .context = (int)start->context,
                             .layers = start->layers,
                             .width = start->width,
                             .heads = start->width / head,
                             .kv_heads = start->width / head,
                             .head_width = head,
                             .hidden = 4 * start->width,
                             .norm_eps = 1e-5,
                             .tied = true,
                             .bos = end,
                             .eos = end};
    l->model = lm_model_new(&shape, err);
    if (!l->model)
        return -1;
    lm_model_randomize(l->model, start->seed);
    return dialogue_make(l->tokenizer, start->template ? start->template : DIALOGUE_TEMPLATE, end, &l->dialogue, err);
}

static int start_from(const struct sft_start *start, struct language_model *l, struct err *err)
{
    if (language_model_load(l, start->init, err) < 0)
        return -1;
    if (!start->template)
        return 0;
    dialogue_free(&l->dialogue);
    return dialogue_make(l->tokenizer, start->template, l->model->shape.eos, &l->dialogue, err);
}

struct encoding {
    struct sft_data *data;
    const struct dialogue *dialogue;
};

static int encode_example(void *context, struct str prompt, struct str text, struct err *err)
{
    struct encoding *e = context;
    return sft_data_add(e->data, e->dialogue, prompt, text, err);
}

int sft_start_make(const struct sft_start *start, struct language_model *l, struct sft_data *ret_data, struct err *err)
{
    *ret_data = (struct sft_data){.seed = start->seed, .held_out = start->held_out};
    if ((start->init ? start_from(start, l, err) : start_new(start, l, err)) < 0)
        return -1;
    int context = l->model->shape.context, longest = start->longest ? (int)start->longest : SFT_START_LONGEST;
    ret_data->longest = longest < context ? longest : context;
    return start->read(start->source, encode_example, &(struct encoding){ret_data, &l->dialogue}, err);
}

int sft_start_folder(const struct sft_start *start, const struct language_model *l, const char *out, struct err *err)
{
    if (mkdir(out, 0777) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", out);
    if (!start->init && tokenizer_save(l->tokenizer, out, err) < 0)
        return -1;
    return dialogue_save(&l->dialogue, out, err);
}
