#include "jobs/machine.h"

#include <unistd.h>

#include "core/lm/checkpoint.h"

size_t machine_memory(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

int machine_fits(size_t bytes, struct err *err)
{
    size_t has = machine_memory();
    if (bytes > has)
        return err_set(err, ERR_NO_MEMORY, "this takes %.2f GB of memory, and the machine has %.2f GB",
                       (double)bytes / 1e9, (double)has / 1e9);
    return 0;
}

/* Bytes of the weights in `folder` as fp32; 0 when it cannot be read, which whoever loads it says why. */
static size_t loaded_bytes(const char *folder)
{
    struct lm_shape shape;
    struct lm_layout layout;
    if (checkpoint_shape(folder, &shape, NULL) < 0 || lm_layout_make(&shape, &layout, NULL) < 0)
        return 0;
    size_t bytes = layout.count * sizeof(float);
    lm_layout_free(&layout);
    return bytes;
}

static bool can_be_mapped(const char *folder)
{
    struct safetensors *files = safetensors_open_folder(folder, NULL);
    bool can = files != NULL;
    for (size_t i = 0; can && i < safetensors_count(files); i++) {
        const struct safetensor *t = safetensors_at(files, i);
        can = t->rank != 2 || t->dtype == DTYPE_BF16;
    }
    safetensors_free(files);
    return can;
}

bool machine_leaves_in_files(const char *folder)
{
    return loaded_bytes(folder) > machine_memory() / 2 && can_be_mapped(folder);
}

int machine_may_load(const char *folder, struct err *err)
{
    return machine_fits(loaded_bytes(folder), err) < 0 ? err_wrap(err, "%s", folder) : 0;
}

int machine_load_model(struct language_model *l, const char *folder, struct err *err)
{
    l->leave_in_files = machine_leaves_in_files(folder);
    if (!l->leave_in_files && machine_may_load(folder, err) < 0)
        return -1;
    return language_model_load(l, folder, err);
}

int machine_samples(const struct lm_model *model, const struct generate_options *how, int longest, struct err *err)
{
    struct generate_options options = *how;
    options.mapped = model->mapped != NULL;
    size_t weights = options.mapped ? 0 : model->layout.count * sizeof(float);
    if (machine_fits(weights + generate_bytes(&model->shape, &options, longest), err) == 0)
        return 0;
    return err_wrap(err, "sampling %d responses of up to %d tokens at once, to prompts of up to %d", how->slots,
                    how->max_new, longest);
}
