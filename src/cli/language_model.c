#include "cli/language_model.h"

#include <unistd.h>

#include "jobs/machine.h"

enum { MOST_THREADS = 8 };

int language_model_start(struct language_model *l, int threads, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (int)cores;
    return language_model_open(l, threads, err);
}

void language_model_map(struct language_model *l, const char *folder, bool asked)
{
    l->leave_in_files = asked || machine_leaves_in_files(folder);
}

int language_model_adapters(const struct language_model *l, const char *folder, struct lm_adapters **ret,
                            struct err *err)
{
    *ret = folder ? lora_load(&l->model->shape, folder, err) : NULL;
    return folder && !*ret ? -1 : 0;
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
