#include "api/published.h"
#include "api/resource/resource.h"
#include "base/json_text.h"
#include "core/selector.h"
#include "formats/record.h"

struct select_body {
    struct json_seen seen;
    int prompt_form; /* enum record_prompt_form */
    struct str prompt;
    struct json_list messages;  /* struct record_message */
    struct json_list responses; /* struct str */
    int objective;              /* enum objective_mode */
    int anchor;                 /* enum anchor */
    double beta, alpha, min_group_size;
    int64_t seed;
};

enum { PROMPT, RESPONSES, OBJECTIVE, ANCHOR, BETA, ALPHA, MIN_GROUP_SIZE, SEED };

static const double MIN_GROUP_SIZE_DEFAULT = 2; /* as a fit has it */

static const struct json_field message_item = JSON_ITEM(OBJECT, .shape = &record_message_shape);
static const struct json_field response_item = JSON_ITEM(STR, .flags = JSON_LONG_TEXT);

static const struct json_field prompt_forms[] = {
    JSON_FIELD(STR, struct select_body, prompt, "prompt", .flags = JSON_LONG_TEXT, .least = 1, .about = "Plain text."),
    JSON_FIELD(LIST, struct select_body, messages, "prompt", .item = &message_item,
               .item_size = sizeof(struct record_message), .least = 1, .most = 256, .about = "Chat messages."),
};

static const struct json_field fields[] = {
    [PROMPT] = JSON_FIELD(ONE_OF, struct select_body, prompt_form, "prompt", .flags = JSON_REQUIRED,
                          .forms = prompt_forms, .form_count = 2, .about = "What is to be answered.",
                          .example = "\"Why is the sky blue?\""),
    [RESPONSES] = JSON_FIELD(LIST, struct select_body, responses, "responses", .flags = JSON_REQUIRED,
                             .item = &response_item, .item_size = sizeof(struct str), .least = SELECTOR_LEAST,
                             .most = SELECTOR_MOST, .about = "The candidates.",
                             .example = "[\"Because of scattering.\",\"It reflects the sea.\"]"),
    [OBJECTIVE] = JSON_FIELD(ENUM, struct select_body, objective, "objective", .names = objective_names,
                             .about = "By what to choose; `maxmin` when absent: the best for the worst-off group."),
    [ANCHOR] = JSON_FIELD(ENUM, struct select_body, anchor, "anchor", .names = selector_anchors,
                          .about = "How groups are made comparable among the candidates: `centred` (default), over "
                                   "their standard deviation, or `win`, the chance to be preferred to another."),
    [BETA] = JSON_FIELD(REAL, struct select_body, beta, "beta", .low = 0, .high = 1000,
                        .about = "0 (default): the one best candidate. From 0.001: a draw from the distribution that "
                                 "is best less beta times its KL to the uniform one."),
    [ALPHA] = JSON_FIELD(REAL, struct select_body, alpha, "alpha", .low = 0, .high = 100,
                         .about = "Aversion to inequality of the objective `alpha`; 2 when absent."),
    [MIN_GROUP_SIZE] = JSON_FIELD(REAL, struct select_body, min_group_size, "min_group_size", .low = 0, .high = 1e6,
                                  .about = "Groups of fewer expected annotators take no part in a minimum; 2 when "
                                           "absent."),
    [SEED] = JSON_FIELD(INT, struct select_body, seed, "seed", .least = 0, .most = INT64_MAX,
                        .about = "Of the draw; 1 when absent. The same request and seed give the same choice."),
};

const struct json_shape select_body_shape =
    JSON_SHAPE(struct select_body, fields, "Select", "Candidate responses to choose among.");

/* As a fit reads the prompt of a conversation: its contents, a line break between. */
static int prompt_text(struct request *r, const struct select_body *b, struct str *ret, struct err *err)
{
    *ret = b->prompt;
    if (b->prompt_form != PROMPT_MESSAGES)
        return 0;
    struct buf text = {0};
    const struct record_message *m = b->messages.items;
    for (size_t i = 0; i < b->messages.count; i++) {
        buf_text(&text, i ? "\n" : "");
        buf_add(&text, m[i].content.ptr, m[i].content.len);
    }
    char *kept = text.failed ? NULL : arena_strndup(&r->arena, text.data ? text.data : "", text.length);
    *ret = (struct str){kept, text.length};
    buf_free(&text);
    return kept ? 0 : err_memory(err);
}

static struct selector_options options_of(const struct select_body *b, const struct fit_published *fit)
{
    struct selector_options o;
    enum objective_mode mode = json_given(&b->seen, OBJECTIVE) ? (enum objective_mode)b->objective : OBJECTIVE_MAXMIN;
    selector_options_default(mode, json_given(&b->seen, ANCHOR) ? (enum anchor)b->anchor : ANCHOR_CENTRED, fit->groups,
                             &o);
    o.beta = b->beta;
    if (json_given(&b->seen, ALPHA))
        o.objective.alpha = b->alpha;
    if (json_given(&b->seen, SEED))
        o.seed = (uint64_t)b->seed;
    o.objective.least_size = json_given(&b->seen, MIN_GROUP_SIZE) ? b->min_group_size : MIN_GROUP_SIZE_DEFAULT;
    for (int u = 0; u < fit->groups; u++) {
        o.objective.eta[u] = fit->weight[u];
        o.objective.size[u] = fit->size[u];
    }
    return o;
}

static void put_candidates(struct buf *out, const struct selection *s)
{
    json_key(out, "candidates");
    json_open(out, '[');
    for (int i = 0; i < s->candidates; i++) {
        const double *row = s->score + (size_t)i * (size_t)(s->groups + 1);
        json_open(out, '{');
        json_key(out, "scores");
        json_open(out, '[');
        for (int u = 0; u < s->groups; u++)
            json_put_real(out, row[u]);
        json_close(out, ']');
        json_key(out, "single");
        json_put_real(out, row[s->groups]);
        if (s->probability) {
            json_key(out, "probability");
            json_put_real(out, s->probability[i]);
        }
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_groups(struct buf *out, const struct selection *s, const struct selector_options *o,
                       const struct fit_published *fit)
{
    json_key(out, "groups");
    json_open(out, '[');
    for (int u = 0; u < s->groups; u++) {
        json_open(out, '{');
        json_key(out, "id");
        json_put_uuid(out, &fit->group[u]);
        json_key(out, "ordinal");
        json_put_int(out, u);
        json_key(out, "takes_part");
        json_put_bool(out, objective_takes_part(&o->objective, u));
        json_key(out, "score");
        json_put_real(out, s->score[(size_t)s->choice * (size_t)(s->groups + 1) + (size_t)u]);
        if (s->expected) {
            json_key(out, "expected");
            json_put_real(out, s->expected[u]);
        }
        if (s->weight) {
            json_key(out, "weight");
            json_put_real(out, s->weight[u]);
        }
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_selection(struct buf *out, const struct selection *s, const struct selector_options *o,
                          const struct fit_published *fit)
{
    json_open(out, '{');
    json_key(out, "fit");
    json_put_uuid(out, &fit->fit);
    json_key(out, "objective");
    json_put_text(out, objective_name(o->objective.mode));
    json_key(out, "anchor");
    json_put_text(out, selector_anchors[o->anchor]);
    json_key(out, "beta");
    json_put_real(out, o->beta);
    json_key(out, "choice");
    json_put_int(out, s->choice);
    json_key(out, "worst_off");
    if (s->worst_off >= 0)
        json_put_uuid(out, &fit->group[s->worst_off]);
    else
        json_put_null(out);
    put_candidates(out, s);
    put_groups(out, s, o, fit);
    if (s->probability) {
        json_key(out, "gap");
        json_put_real(out, s->gap);
    }
    json_close(out, '}');
}

int on_select_post(struct request *r, struct err *err)
{
    const struct select_body *b = r->input;
    struct published_fit *fit = NULL;
    struct selection selection;
    struct str prompt;
    struct buf body = {0};
    if (prompt_text(r, b, &prompt, err) < 0 ||
        published_hold(r->api->published, r->api->pool, &r->project, &fit, err) < 0)
        return -1;
    struct selector_options options = options_of(b, &fit->facts);
    int status = selector_choose(fit->scorer, &options, prompt, (int)b->responses.count, b->responses.items, &r->arena,
                                 &selection, err);
    if (status == 0)
        put_selection(&body, &selection, &options, &fit->facts);
    published_drop(r->api->published, fit);
    if (status == 0 && body.failed)
        status = err_memory(err);
    return answer_json(r, status, 200, &body);
}
