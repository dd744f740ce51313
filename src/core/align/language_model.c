#include "core/align/language_model.h"

#include "core/blas.h"
#include "core/lm/checkpoint.h"

int language_model_open(struct language_model *l, int threads, struct err *err)
{
    *l = (struct language_model){.dialogue.end = -1};
    if (blas_start(err) < 0 || !(l->gemm.backend = gemm_backend(NULL, err)))
        return -1;
    l->gemm.threads = l->threads = threads_new(threads, err);
    return l->threads ? 0 : -1;
}

int language_model_use(struct language_model *l, const char *name, struct err *err)
{
    const struct gemm_backend *backend = gemm_backend(name ? name : "auto", err);
    if (!backend)
        return -1;
    l->gemm.backend = backend;
    return 0;
}

int language_model_load(struct language_model *l, const char *folder, struct err *err)
{
    l->tokenizer = tokenizer_load(folder, err);
    if (l->tokenizer)
        l->model = l->leave_in_files ? checkpoint_map(folder, err) : checkpoint_load(folder, err);
    if (!l->model)
        return -1;
    if (tokenizer_count(l->tokenizer) > (size_t)l->model->shape.vocabulary)
        return err_set(err, ERR_BAD_FILE, "%s: the tokenizer has %zu tokens, the model %d", folder,
                       tokenizer_count(l->tokenizer), l->model->shape.vocabulary);
    return dialogue_load(l->tokenizer, folder, l->model->shape.eos, &l->dialogue, err);
}

void language_model_close(struct language_model *l)
{
    dialogue_free(&l->dialogue);
    tokenizer_free(l->tokenizer);
    lm_model_free(l->model);
    threads_free(l->threads);
}
