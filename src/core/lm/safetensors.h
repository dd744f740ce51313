/* safetensors: weights in files, read through mmap and written whole or not at all.
 *
 * A file is: u64 little-endian length of the header, the header (a JSON object of name -> {dtype, shape,
 * data_offsets}, and "__metadata__"), then the data (github.com/huggingface/safetensors, README "Format"). The reader
 * treats it as hostile: it bounds the header, and refuses duplicate names, unknown dtypes, ranks above 8, sizes that
 * overflow or do not equal shape x dtype, tensors that overlap, leave gaps, or end beyond the file. It refuses to
 * guess: what is wrong is named. It does not guard against a file that is cut while it is mapped.
 *
 * A `struct safetensors` owns its mappings; every tensor points into them and lives as long. Read-only after opening,
 * so any number of threads may read. */
#ifndef EGALIGN_CORE_LM_SAFETENSORS_H
#define EGALIGN_CORE_LM_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000, SAFETENSORS_MAX_RANK = 8 };

enum safetensors_dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_OTHER /* known by size and listed, but not readable here: F64, integers, booleans, 8-bit floats */
};

struct safetensor {
    const char *name; /* UTF-8, NUL-terminated */
    enum safetensors_dtype dtype;
    int rank;
    int64_t shape[SAFETENSORS_MAX_RANK]; /* each >= 0 */
    const void *data;                    /* little-endian, at any alignment */
    size_t count, bytes;                 /* elements, and bytes of all of them */
};

struct safetensors;

/* Reads the header of a file that lies in memory at `bytes`, which must outlive the result. ERR_BAD_FILE. */
struct safetensors *safetensors_parse(const void *bytes, size_t size, struct err *err);

/* Maps one file. */
struct safetensors *safetensors_open(const char *path, struct err *err);

/* Maps what a Hugging Face directory holds: model.safetensors, or the shards that model.safetensors.index.json names.
 * Every entry of the index must be in its shard, and no tensor in two. */
struct safetensors *safetensors_open_folder(const char *folder, struct err *err);

/* Unmaps everything; tensors end with it. */
void safetensors_free(struct safetensors *s);

size_t safetensors_count(const struct safetensors *s);
const struct safetensor *safetensors_at(const struct safetensors *s, size_t i); /* in the order of names */
const struct safetensor *safetensors_find(const struct safetensors *s, const char *name); /* NULL when absent */

/* Converts a tensor into out[count] floats. ERR_BAD_FILE for other dtypes, ERR_NUMERICAL when a weight is not finite.
 * */
int safetensors_read(const struct safetensor *t, float *out, struct err *err);

/* Writes `count` tensors (dtype F32, data of floats) as `stored` (F32, or BF16 rounded to nearest even) to `path`: a
 * temporary beside it, fsync, rename, fsync of the folder; a crash leaves the old file or the new one. The header is
 * padded so that the data begins at a multiple of 64. Metadata is {"format":"pt"}, which transformers asks for. */
int safetensors_write(const char *path, const struct safetensor *tensors, size_t count, enum safetensors_dtype stored,
                      struct err *err);

/* Gives elements from .. from + n - 1 of tensor number `tensor`, as floats. */
typedef void safetensors_part(const void *context, size_t tensor, size_t from, size_t n, float *out);

/* As safetensors_write for tensors that lie nowhere as floats: their data is what `part` gives, asked in order and some
 * ten thousand elements at a time, and tensors[i].data is not looked at. */
int safetensors_write_parts(const char *path, const struct safetensor *tensors, size_t count,
                            enum safetensors_dtype stored, safetensors_part *part, const void *context,
                            struct err *err);

#endif
