#include "cli/language_model.h"

#include <unistd.h>

#include "core/blas.h"
#include "core/lm/checkpoint.h"

enum { MOST_THREADS = 8 };

int language_model_start(struct language_model *l, int threads, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *l = (struct language_model){.dialogue.end = -1};
    if (threads == 0)
        threads = cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (int)cores;
    if (blas_start(err) < 0 || !(l->gemm.backend = gemm_backend(NULL, err)))
        return -1;
    l->gemm.threads = l->threads = threads_new(threads, err);
    return l->threads ? 0 : -1;
}

int language_model_load(struct language_model *l, const char *folder, struct err *err)
{
    l->tokenizer = tokenizer_load(folder, err);
    l->model = l->tokenizer ? checkpoint_load(folder, err) : NULL;
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

int language_model_fits(size_t bytes, struct err *err)
{
    double has = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if ((double)bytes > has)
        return err_set(err, ERR_NO_MEMORY, "this takes %.2f GB of memory, and the machine has %.2f GB",
                       (double)bytes / 1e9, has / 1e9);
    return 0;
}

int option_whole(const char *name, const char *text, int64_t least, int64_t most, int64_t *ret, struct err *err)
{
    if (text && (!str_to_int64(str_of(text), ret) || *ret < least || *ret > most))
        return err_set(err, ERR_USAGE, "%s is not a whole number from %lld to %lld", name, (long long)least,
                       (long long)most);
    return 0;
}

int option_real(const char *name, const char *text, double least, double most, double *ret, struct err *err)
{
    if (text && (!str_to_double(str_of(text), ret) || !(*ret >= least && *ret <= most)))
        return err_set(err, ERR_USAGE, "%s is not a number from %g to %g", name, least, most);
    return 0;
}
