#include "jobs/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/encoding.h"
#include "store/fit_input.h"

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid)); /* the id is the first member */
}

/* The number of a policy's name, new or known: a binary search in policy_order. */
static int policy_number(struct loaded *l, struct str name, int *ret, struct err *err)
{
    int low = 0, high = l->policies;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = str_compare(l->policy[l->policy_order[middle]], name);
        if (order == 0) {
            *ret = l->policy_order[middle];
            return 0;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    int room = l->room_policies;
    char *copy = arena_strndup(&l->arena, name.ptr, name.len);
    if (!copy)
        return err_memory(err);
    if (mem_grow(&l->policy, l->policies, &l->room_policies, sizeof *l->policy, err) < 0 ||
        mem_grow(&l->policy_order, l->policies, &room, sizeof *l->policy_order, err) < 0)
        return -1;
    memmove(l->policy_order + low + 1, l->policy_order + low, (size_t)(l->policies - low) * sizeof *l->policy_order);
    l->policy[l->policies] = (struct str){copy, name.len};
    l->policy_order[low] = l->policies;
    *ret = l->policies++;
    return 0;
}

/* The number of a response, by whichever encoder. */
static int add_response(struct loaded *l, const struct fit_input_response *row, struct err *err)
{
    if (l->encoding) {
        if (row->new_item && encoding_add_item(l->encoding, &row->item, row->prompt, err) < 0)
            return -1;
        return encoding_add_response(l->encoding, &row->id, row->text, err);
    }
    if (row->new_item && (l->item = dataset_add_item(l->set, row->prompt, err)) < 0)
        return -1;
    return dataset_add_response(l->set, l->item, row->text, err);
}

static int take_response(void *context, const struct fit_input_response *row, struct err *err)
{
    struct loaded *l = context;
    int room = l->room_responses, policy = -1;
    int number = add_response(l, row, err);
    if (number < 0 || (row->policy.ptr && policy_number(l, row->policy, &policy, err) < 0))
        return -1;
    if (mem_grow(&l->policy_of, l->responses, &room, sizeof *l->policy_of, err) < 0 ||
        mem_grow(&l->response, l->responses, &l->room_responses, sizeof *l->response, err) < 0)
        return -1;
    l->policy_of[number] = policy;
    l->response[l->responses++] = (struct loaded_id){row->id, number};
    return 0;
}

static int take_annotator(void *context, const struct uuid *annotator, struct err *err)
{
    struct loaded *l = context;
    if (!held_out_is_in(annotator, l->who.held_out, l->who.part)) {
        l->left_out++;
        return 0;
    }
    if ((l->set && dataset_add_annotator(l->set, err) < 0) ||
        mem_grow(&l->annotator, l->annotators, &l->room_annotators, sizeof *l->annotator, err) < 0)
        return -1;
    l->annotator[l->annotators++] = *annotator;
    return 0;
}

int loaded_annotator(const struct loaded *l, const struct uuid *annotator)
{
    const struct uuid *found = l->annotators ? bsearch(annotator, l->annotator, (size_t)l->annotators,
                                                       sizeof *l->annotator, by_bytes) : NULL;
    return found ? (int)(found - l->annotator) : -1;
}

static int response_number(const struct loaded *l, const struct uuid *id)
{
    const struct loaded_id *found = l->responses ? bsearch(id, l->response, (size_t)l->responses, sizeof *l->response,
                                                           by_bytes) : NULL;
    return found ? found->number : -1;
}

static int take_comparison(void *context, const struct fit_input_comparison *row, struct err *err)
{
    static const enum choice choices[] = {[FIT_INPUT_A] = CHOICE_A, [FIT_INPUT_B] = CHOICE_B,
                                          [FIT_INPUT_TIE] = CHOICE_TIE, [FIT_INPUT_BOTH_BAD] = CHOICE_BOTH_BAD};
    struct loaded *l = context;
    if (!held_out_is_in(&row->annotator, l->who.held_out, l->who.part))
        return 0;
    if (l->comparisons == 0) /* all responses are there */
        qsort(l->response, (size_t)l->responses, sizeof *l->response, by_bytes);
    struct comparison c = {
        .annotator = loaded_annotator(l, &row->annotator),
        .a = response_number(l, &row->a),
        .b = response_number(l, &row->b),
        .outcome = choices[row->outcome],
        .strength = row->strength,
    };
    if (c.annotator < 0 || c.a < 0 || c.b < 0)
        return err_set(err, ERR_INTERNAL, "a comparison names an annotator or a response that is not stored");
    if ((l->set && dataset_add_comparison(l->set, &c, err) < 0) ||
        mem_grow(&l->comparison, l->comparisons, &l->room_comparisons, sizeof *l->comparison, err) < 0)
        return -1;
    l->comparison[l->comparisons++] = c;
    sha256_update(&l->hash, row->id.bytes, sizeof row->id.bytes);
    return 0;
}

int loaded_read(struct pg *pg, const struct uuid *project, struct load_annotators who, int buckets,
                struct encoding *encoding, struct loaded *ret, struct err *err)
{
    *ret = (struct loaded){.who = who, .encoding = encoding};
    struct fit_input_reader reader = {take_response, take_annotator, take_comparison, ret};
    if (!encoding && !(ret->set = dataset_new_hashed(buckets, err)))
        return -1;
    sha256_init(&ret->hash);
    if (fit_input_read(pg, project, &reader, &ret->data, err) < 0) {
        loaded_free(ret);
        return -1;
    }
    sha256_final(&ret->hash, ret->digest);
    mem_free(ret->response); /* only the comparisons' numbers are needed from here on */
    ret->response = NULL;
    return 0;
}

int loaded_encoded(struct loaded *l, struct err *err)
{
    l->set = encoding_dataset(l->encoding, err);
    if (!l->set)
        return -1;
    for (int h = 0; h < l->annotators; h++)
        if (dataset_add_annotator(l->set, err) < 0)
            return -1;
    for (int c = 0; c < l->comparisons; c++)
        if (dataset_add_comparison(l->set, &l->comparison[c], err) < 0)
            return -1;
    return 0;
}

void loaded_free(struct loaded *l)
{
    dataset_free(l->set);
    mem_free(l->annotator);
    mem_free(l->policy_of);
    mem_free(l->policy);
    mem_free(l->policy_order);
    mem_free(l->comparison);
    mem_free(l->response);
    arena_free(&l->arena);
    *l = (struct loaded){0};
}
