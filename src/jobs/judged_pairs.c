#include "jobs/judged_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "jobs/held_out.h"
#include "store/fit_input.h"

struct known_response {
    struct uuid id; /* first: by_bytes */
    int sequence;
    bool held_out;
};

struct reading {
    const struct fit_posteriors *posteriors;
    const struct dialogue *dialogue;
    double share;
    struct reward_data *data;
    struct buf prompt; /* of the last item */
    struct known_response *response;
    struct reward_em_comparison *comparison; /* annotators by their place in the posteriors */
    int responses, response_room, comparisons, comparison_room;
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static int take_response(void *context, const struct fit_input_response *row, struct err *err)
{
    struct reading *r = context;
    if (row->new_item) {
        buf_clear(&r->prompt);
        buf_add(&r->prompt, row->prompt.ptr ? row->prompt.ptr : "", row->prompt.len);
    }
    if (r->prompt.failed)
        return err_memory(err);
    struct str prompt = {r->prompt.data ? r->prompt.data : "", r->prompt.length};
    int number = reward_data_add(r->data, r->dialogue, prompt, row->text, err);
    if (number < 0 || mem_grow(&r->response, r->responses, &r->response_room, sizeof *r->response, err) < 0)
        return -1;
    r->response[r->responses++] = (struct known_response){row->id, number, held_out_lot(&row->item) < r->share};
    return 0;
}

static int take_annotator(void *context, const struct uuid *annotator, struct err *err)
{
    (void)context, (void)annotator, (void)err;
    return 0;
}

static const struct known_response *find(const struct reading *r, const struct uuid *id)
{
    return bsearch(id, r->response, (size_t)r->responses, sizeof *r->response, by_bytes);
}

static int take_comparison(void *context, const struct fit_input_comparison *row, struct err *err)
{
    static const double preferences[] = {[FIT_INPUT_A] = 1, [FIT_INPUT_B] = 0, [FIT_INPUT_TIE] = 0.5,
                                         [FIT_INPUT_BOTH_BAD] = 0.5};
    struct reading *r = context;
    int annotator = fit_posteriors_place(r->posteriors, &row->annotator);
    if (annotator < 0)
        return 0;
    if (r->comparisons == 0) /* all responses are there */
        qsort(r->response, (size_t)r->responses, sizeof *r->response, by_bytes);
    const struct known_response *a = find(r, &row->a), *b = find(r, &row->b);
    if (!a || !b)
        return err_set(err, ERR_INTERNAL, "a comparison names a response that is not stored");
    if (mem_grow(&r->comparison, r->comparisons, &r->comparison_room, sizeof *r->comparison, err) < 0)
        return -1;
    r->comparison[r->comparisons++] = (struct reward_em_comparison){annotator, a->sequence, b->sequence,
                                                                    preferences[row->outcome], a->held_out};
    return 0;
}

/* Reads all into r->data and r->comparison, which are the caller's; what else was needed is freed. */
static int read_all(struct reading *r, struct pg *pg, const struct uuid *project, struct err *err)
{
    struct fit_input_reader reader = {take_response, take_annotator, take_comparison, r};
    struct fit_data state;
    r->data->heads = r->posteriors->groups;
    int result = fit_input_read(pg, project, &reader, &state, err);
    buf_free(&r->prompt);
    mem_free(r->response);
    return result;
}

/* The comparisons as judgements, weighted by what makes them a group's own. */
static int judge(const struct reading *r, struct err *err)
{
    struct reward_judgement *j = mem_array((size_t)r->comparisons + 1, sizeof *j);
    if (!j)
        return err_memory(err);
    for (int i = 0; i < r->comparisons; i++) {
        const struct reward_em_comparison *c = &r->comparison[i];
        const double *weight = r->posteriors->posterior + (size_t)c->annotator * (size_t)r->posteriors->groups;
        j[i] = (struct reward_judgement){c->first, c->second, c->preference, weight, c->held_out};
    }
    int result = reward_data_judge(r->data, r->comparisons, j, err);
    mem_free(j);
    return result;
}

int judged_pairs_read(struct pg *pg, const struct uuid *project, const struct fit_posteriors *posteriors,
                      const struct dialogue *dialogue, double held_out, struct reward_data *data, struct err *err)
{
    struct reading r = {.posteriors = posteriors, .dialogue = dialogue, .share = held_out, .data = data};
    int result = read_all(&r, pg, project, err);
    if (result == 0)
        result = judge(&r, err);
    mem_free(r.comparison);
    return result;
}

int judged_comparisons_read(struct pg *pg, const struct uuid *project, const struct fit_posteriors *posteriors,
                            const struct dialogue *dialogue, double held_out, struct reward_em_data *data,
                            struct err *err)
{
    struct reading r = {.posteriors = posteriors, .dialogue = dialogue, .share = held_out, .data = &data->sequences};
    int result = read_all(&r, pg, project, err);
    data->annotators = posteriors->count;
    data->groups = posteriors->groups;
    data->comparisons = r.comparisons;
    if (result == 0)
        result = reward_em_data_allocate(data, err);
    if (result == 0) {
        for (int i = 0; i < r.comparisons; i++)
            data->comparison[i] = r.comparison[i];
        memcpy(data->posterior, posteriors->posterior,
               (size_t)posteriors->count * (size_t)posteriors->groups * sizeof *data->posterior);
    }
    mem_free(r.comparison);
    return result;
}
