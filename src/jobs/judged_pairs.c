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
    struct reward_judgement *judgement;
    int responses, response_room, judgements, judgement_room;
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
    const double *weight = fit_posteriors_of(r->posteriors, &row->annotator);
    if (!weight)
        return 0;
    if (r->judgements == 0) /* all responses are there */
        qsort(r->response, (size_t)r->responses, sizeof *r->response, by_bytes);
    const struct known_response *a = find(r, &row->a), *b = find(r, &row->b);
    if (!a || !b)
        return err_set(err, ERR_INTERNAL, "a comparison names a response that is not stored");
    if (mem_grow(&r->judgement, r->judgements, &r->judgement_room, sizeof *r->judgement, err) < 0)
        return -1;
    r->judgement[r->judgements++] =
        (struct reward_judgement){a->sequence, b->sequence, preferences[row->outcome], weight, a->held_out};
    return 0;
}

int judged_pairs_read(struct pg *pg, const struct uuid *project, const struct fit_posteriors *posteriors,
                      const struct dialogue *dialogue, double held_out, struct reward_data *data, struct err *err)
{
    struct reading r = {.posteriors = posteriors, .dialogue = dialogue, .share = held_out, .data = data};
    struct fit_input_reader reader = {take_response, take_annotator, take_comparison, &r};
    struct fit_data state;
    data->heads = posteriors->groups;
    int result = fit_input_read(pg, project, &reader, &state, err);
    if (result == 0)
        result = reward_data_judge(data, r.judgements, r.judgement, err);
    buf_free(&r.prompt);
    mem_free(r.response);
    mem_free(r.judgement);
    return result;
}
