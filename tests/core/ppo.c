/* The PPO trainer: ratio 1 and KL 0 before the first step, what counts as the end of a response, losses that do not
 * depend on how a minibatch is cut, a state that resumes to the same bits, failures that change nothing, learning. */
#include "unit/test.h"

#include <unistd.h>

#include "core/ppo_support.h"
#include "core/tokenizer_support.h"

/* One step on everything: each ratio is that before the first step. */
static void starts_at_ratio_one_and_kl_zero(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct ppo_fixture f;
        struct ppo_metrics m;
        ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
        f.options.frozen = variant % 2;                  /* the shared trunk too */
        f.options.pack_tokens = variant / 2 ? 0 : 31;    /* one pass, or several */
        f.options.epochs = f.options.minibatches = 1;
        struct ppo *p = ppo_open(&f);
        must_update(p, &m);
        assert_true(m.policy_approxkl == 0 && m.ratio == 1 && m.ratio_variance == 0 && m.policy_clipfrac == 0);
        assert_true(m.kl == 0);
        assert_memory_equal(p->rollout.logp, p->rollout.reference,
                            (size_t)p->rollout.first[f.options.episodes] * sizeof(float));
        assert_true(m.values_mean == 0 && m.values_variance == 0); /* the value head starts at 0 */
        must_update(p, &m);
        assert_true(m.policy_approxkl == 0 && m.ratio == 1); /* at every update, and */
        assert_true(m.kl != 0);                              /* the policy has moved */
        ppo_free(p);
        lm_model_free(f.model);
    }
}

/* Log-probabilities are those of logits / T, of each sequence by itself. */
static void divides_logits_by_the_temperature(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.options.epochs = f.options.minibatches = 1;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    struct lm_options options = {.gemm = f.options.gemm, .max_tokens = 16};
    struct lm_run *run = lm_run_new(f.model, &options, &err);
    assert_non_null(run);
    for (int i = 0; i < f.options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        const struct ppo_prompt *prompt = &f.prompts[e->prompt];
        int32_t tokens[16];
        int starts[2] = {0, prompt->length + e->count - 1};
        memcpy(tokens, prompt->tokens, (size_t)prompt->length * sizeof *tokens);
        memcpy(tokens + prompt->length, e->tokens, (size_t)e->count * sizeof *tokens);
        struct lm_batch batch = {.sequences = 1, .starts = starts, .tokens = tokens};
        assert_int_equal(lm_forward(run, &batch, NULL, &err), 0);
        for (int t = 0; t < e->count; t++) {
            int row = prompt->length - 1 + t;
            const float *logits = lm_logits(run, 1, &row);
            double sum = 0;
            for (int v = 0; v < VOCABULARY; v++)
                sum += exp(logits[v] / 0.7);
            double logp = logits[e->tokens[t]] / 0.7 - log(sum);
            assert_true(fabs(logp - p->rollout.logp[p->rollout.first[i] + t]) < 1e-5);
            assert_true(fabs(logp - p->rollout.drawn[(size_t)i * RESPONSE + t]) < 1e-5); /* the plain policy sampled */
        }
    }
    lm_run_free(run);
    ppo_free(p);
    lm_model_free(f.model);
}

static void ends_responses_where_they_end(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    int ended = 0;
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.options.episodes = 200;
    f.options.end_penalty = 5;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    for (int i = 0; i < f.options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        bool end = e->tokens[e->count - 1] == END;
        for (int t = 0; t + 1 < e->count; t++)
            assert_int_not_equal(e->tokens[t], END);
        assert_true(end || e->count == RESPONSE);
        assert_int_equal(e->truncated, !end);
        assert_true(fabs(e->score - (p->rollout.scores[3 * i + 2] - (end ? 0 : 5))) < 1e-12); /* taken away */
        for (int t = 0; t < e->count; t++) { /* beta KL is 0 in the first update: the score is all, on the last token */
            float reward = p->rollout.rewards[p->rollout.first[i] + t];
            assert_true(t + 1 == e->count ? reward == (float)e->score : reward == 0);
        }
        ended += end;
    }
    assert_in_range(ended, 5, 195); /* both kinds were there */
    assert_true(m.ended == ended && fabs(m.truncated - (1 - ended / 200.0)) < 1e-12);
    ppo_free(p);
    f.options.penalty_replaces = true;
    p = ppo_open(&f);
    must_update(p, &m);
    for (int i = 0; i < f.options.episodes; i++)
        if (p->rollout.episodes[i].truncated)
            assert_true(p->rollout.episodes[i].score == -5);
    ppo_free(p);
    lm_model_free(f.model);
}

/* Ziegler's way: all responses of one length, and the scorer sees up to a certain token. */
static void cuts_what_the_scorer_sees(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    int missed = 0;
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.options.episodes = 100;
    f.options.fixed_length = true;
    f.options.cut_token = 9;
    f.options.cut_from = 2;
    f.options.end_penalty = 1;
    f.options.penalty_replaces = true;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    for (int i = 0; i < f.options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        bool met = false;
        assert_int_equal(e->count, RESPONSE);
        for (int t = 2; t < RESPONSE; t++)
            met = met || e->tokens[t] == 9;
        assert_int_equal(e->truncated, !met);
        assert_true(met || e->score == -1);
        missed += !met;
    }
    assert_in_range(missed, 40, 99);
    ppo_free(p);
    lm_model_free(f.model);
}

/* The gradient is that of the minibatch's mean over tokens, in however many passes it is summed. */
static void cuts_minibatches_without_effect(void **state)
{
    (void)state;
    double norms[2];
    float *weights[2];
    size_t count = 0;
    struct ppo_fixture f;
    for (int i = 0; i < 2; i++) {
        struct ppo_metrics m;
        ppo_fixture_make(&f, OBJECTIVE_AVERAGE);
        f.options.pack_tokens = i ? 12 : 0;
        f.options.epochs = f.options.minibatches = 1;
        f.options.entropy_coefficient = 0.01;
        struct ppo *p = ppo_open(&f);
        must_update(p, &m);
        norms[i] = m.gradient_norm;
        count = p->model->layout.count;
        weights[i] = malloc(count * sizeof **weights);
        memcpy(weights[i], lm_trained(p->run).gradients, count * sizeof **weights);
        ppo_free(p);
        lm_model_free(f.model);
    }
    assert_true(fabs(norms[0] / norms[1] - 1) < 1e-4);
    for (size_t i = 0; i < count; i++)
        assert_true(fabsf(weights[0][i] - weights[1][i]) < 2e-4 * norms[0]);
    free(weights[0]);
    free(weights[1]);
}

/* Away from the policy that sampled; all weights, and those above a trunk. */
static void learns_by_the_gradient_of_its_loss(void **state)
{
    (void)state;
    for (int variant = 0; variant < 2; variant++) {
        struct ppo_fixture f;
        ppo_fixture_make(&f, OBJECTIVE_AVERAGE);
        f.options.frozen = variant;
        struct ppo *p = ppo_of_one_minibatch(&f);
        size_t count = move_away(p);
        gradient_beside_differences(p, 0, count);
        ppo_free(p);
        lm_model_free(f.model);
    }
}

/* What the scorer reads: the response in its own words, without the end token, cut behind the cut token. */
static void decodes_what_the_scorer_sees(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct tokenizer *t = byte_level("a b");
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.inputs.tokenizer = t;
    f.options.cut_token = 9;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    for (int i = 0; i < f.options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        struct buf want = {0};
        struct err err = {0};
        int count = 0;
        while (count < e->count && e->tokens[count] != END && (count == 0 || e->tokens[count - 1] != 9))
            count++;
        assert_int_equal(tokenizer_decode(t, e->tokens, (size_t)count, TOKENIZER_CONTINUED, &want, &err), 0);
        assert_int_equal(e->text.len, want.length);
        assert_memory_equal(e->text.ptr, want.data ? want.data : "", want.length);
        buf_free(&want);
    }
    ppo_free(p);
    tokenizer_free(t);
    lm_model_free(f.model);
}

/* Every allocation fails once: an error and no leak, or a result where only a prediction of memory was lost. */
static void survives_want_of_memory(void **state)
{
    (void)state;
    struct ppo_fixture f;
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    f.options.frozen = 1;
    f.options.episodes = f.options.minibatches = 2;
    assert_in_range(ppo_fail_allocations(&f, 100), 40, 99); /* the last ones fail nothing: all were reached */
    lm_model_free(f.model);
}

static void whitens_over_the_whole_batch(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    ppo_fixture_make(&f, OBJECTIVE_AVERAGE);
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    struct ppo_moments a = ppo_moments_of((size_t)p->rollout.first[f.options.episodes], p->rollout.advantages);
    assert_true(fabs(a.mean) < 1e-6 && fabs(a.variance - 1) < 1e-4);
    assert_true(m.advantages_variance > 0 && fabs(m.advantages_variance - 1) > 1e-3); /* told before whitening */
    ppo_free(p);
    lm_model_free(f.model);
}

static void trains_above_the_trunk_only(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    f.options.frozen = 1;
    struct ppo *p = ppo_open(&f);
    size_t start = lm_trained(p->run).start;
    must_update(p, &m);
    assert_true(start > 0);
    assert_memory_equal(p->model->weights, f.model->weights, start * sizeof(float));
    assert_memory_not_equal(p->model->weights + start, f.model->weights + start, 1000 * sizeof(float));
    assert_memory_equal(p->reference, f.model->weights + start, (f.model->layout.count - start) * sizeof(float));
    ppo_free(p);
    lm_model_free(f.model);
}

/* Also when it was not the start of the policy; frozen blocks must be shared. */
static void anchors_on_another_reference(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    struct lm_model *other = tiny_model(2, 32, 4);
    f.inputs.reference = other;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    assert_true(m.kl > 1e-4 && m.kl < 5); /* an estimate of a KL between two random models */
    ppo_free(p);
    f.options.frozen = 1;
    assert_null(ppo_new(&f.inputs, &f.options, &err)); /* they do not share the trunk */
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    lm_model_free(other);
    lm_model_free(f.model);
}

static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    for (int stop = 1; stop < 6; stop += 2) {
        char out[] = "/tmp/egalign-ppo-XXXXXX", command[64];
        struct ppo_fixture f;
        struct err err = {0};
        assert_non_null(mkdtemp(out));
        ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
        f.options.frozen = stop % 4 == 1;
        f.options.adaptive_beta = true;
        f.options.kl_target = 0.5;
        f.options.kl_horizon = 100;
        f.options.scaling = PPO_SCALE_RUNNING;
        struct ppo *whole = ppo_open(&f), *broken = ppo_open(&f);
        run_updates(whole, 6);
        assert_int_equal(ppo_resume(broken, out, &err), 0); /* nothing there yet */
        run_updates(broken, stop);
        assert_int_equal(ppo_save(broken, out, &err), 0);
        run_updates(broken, 1); /* lost */
        ppo_free(broken);
        broken = ppo_open(&f);
        assert_int_equal(ppo_resume(broken, out, &err), 1);
        assert_int_equal(ppo_done(broken), stop);
        assert_int_equal(ppo_save(broken, out, &err), 0); /* already there */
        run_updates(broken, 6 - stop);
        assert_memory_equal(whole->model->weights, broken->model->weights, whole->model->layout.count * sizeof(float));
        assert_memory_equal(&whole->state, &broken->state, sizeof whole->state);
        assert_memory_equal(whole->adam->v, broken->adam->v, whole->adam->trained.count * sizeof(float));
        ppo_free(broken);
        f.inputs.score_digest = (const uint8_t[SHA256_SIZE]){1}; /* other models reward */
        broken = ppo_open(&f);
        assert_int_equal(ppo_resume(broken, out, &err), -1);
        assert_int_equal(err.code, ERR_CONFLICT);
        ppo_free(broken);
        f.inputs.score_digest = NULL;
        f.options.rate = 2e-3; /* another course */
        broken = ppo_open(&f);
        assert_int_equal(ppo_resume(broken, out, &err), -1);
        assert_int_equal(err.code, ERR_CONFLICT);
        ppo_free(broken);
        ppo_free(whole);
        lm_model_free(f.model);
        snprintf(command, sizeof command, "rm -r %s", out);
        assert_int_equal(system(command), 0);
    }
}

static void does_not_depend_on_threads(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct err err = {0};
    struct threads *two = threads_new(2, &err);
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    struct ppo *a = ppo_open(&f);
    f.options.gemm.threads = two;
    struct ppo *b = ppo_open(&f);
    run_updates(a, 2);
    run_updates(b, 2);
    assert_memory_equal(a->model->weights, b->model->weights, a->model->layout.count * sizeof(float));
    assert_memory_equal(&a->state, &b->state, sizeof a->state);
    ppo_free(a);
    ppo_free(b);
    threads_free(two);
    lm_model_free(f.model);
}

struct stopping {
    int asked, at;
};

static bool stop_at(void *context)
{
    struct stopping *s = context;
    return ++s->asked == s->at;
}

/* A stop, wherever it comes, leaves the state of the last good update; the course is then what it would have been. */
static void changes_nothing_when_it_fails(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    struct stopping never = {.at = -1};
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    f.inputs.stop = stop_at;
    f.inputs.context = &never;
    struct ppo *whole = ppo_open(&f), *failing;
    run_updates(whole, 1);
    int in_one = never.asked;
    run_updates(whole, 1);
    for (int at = in_one / 4; at < in_one; at += in_one / 4) { /* sampling, preparing, learning */
        struct stopping s = {.at = in_one + at};
        f.inputs.context = &s;
        failing = ppo_open(&f);
        run_updates(failing, 1);
        assert_int_equal(ppo_update(failing, &m, &err), -1);
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(ppo_done(failing), 1);
        run_updates(failing, 1);
        assert_memory_equal(whole->model->weights, failing->model->weights, whole->model->layout.count * sizeof(float));
        assert_memory_equal(&whole->state, &failing->state, sizeof whole->state);
        ppo_free(failing);
    }
    ppo_free(whole);
    lm_model_free(f.model);
}

static void scale_reference(struct ppo *p, float factor)
{
    for (size_t i = 0; i < p->adam->trained.count; i++)
        p->reference[i] *= factor;
}

static void stops_on_numbers_that_are_not_finite(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    ppo_fixture_make(&f, OBJECTIVE_MAXMIN);
    f.fail_from = 2;
    struct ppo *p = ppo_open(&f);
    run_updates(p, 1);
    float *before = malloc(p->model->layout.count * sizeof *before);
    memcpy(before, p->model->weights, p->model->layout.count * sizeof *before);
    assert_int_equal(ppo_update(p, &m, &err), -1); /* a score */
    assert_int_equal(err.code, ERR_NUMERICAL);
    assert_non_null(strstr(err.message, "score of group 1 for episode 1"));
    f.fail_from = 0;
    p->options.kl_limit = 0.1;
    scale_reference(p, 8);
    assert_int_equal(ppo_update(p, &m, &err), -1); /* a KL that explodes */
    assert_int_equal(err.code, ERR_NUMERICAL);
    assert_non_null(strstr(err.message, "KL"));
    p->options.kl_limit = 0;
    scale_reference(p, 0.125f);
    assert_memory_equal(before, p->model->weights, p->model->layout.count * sizeof *before);
    p->options.rate = 1e30; /* the first step throws the weights away; the second minibatch sees it */
    assert_int_equal(ppo_update(p, &m, &err), -1);
    assert_int_equal(err.code, ERR_NUMERICAL);
    assert_memory_equal(before, p->model->weights, p->model->layout.count * sizeof *before);
    assert_int_equal(ppo_done(p), 1);
    free(before);
    ppo_free(p);
    lm_model_free(f.model);
}

static void stops_epochs_early(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.options.rate = 1e-2;
    f.options.early_stop_kl = 1e-4;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    assert_in_range(m.steps, 1, f.options.epochs * f.options.minibatches - 1);
    assert_int_equal(p->adam->step, m.steps);
    ppo_free(p);
    lm_model_free(f.model);
}

static void takes_each_prompt_in_turn(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    int seen[PROMPTS] = {0};
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    f.options.episodes = 2 * PROMPTS * f.options.samples; /* two passes in one update */
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    for (int i = 0; i < f.options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        assert_int_equal(e->sample / 2, i / (PROMPTS * 2)); /* no two episodes share their random numbers */
        seen[e->prompt]++;
    }
    for (int i = 0; i < PROMPTS; i++)
        assert_int_equal(seen[i], 4);
    ppo_free(p);
    lm_model_free(f.model);
}

static void anneals_the_rate(void **state)
{
    (void)state;
    static const double want[3][3] = {{1, 1, 1}, {1, 2.0 / 3, 1.0 / 3}, {1, 0.75, 0.25}};
    for (int schedule = 0; schedule < 3; schedule++) {
        struct ppo_fixture f;
        struct ppo_metrics m;
        struct err err = {0};
        ppo_fixture_make(&f, OBJECTIVE_SINGLE);
        f.options.schedule = (enum ppo_schedule)schedule;
        f.options.updates = 3;
        struct ppo *p = ppo_open(&f);
        for (int i = 0; i < 3; i++) {
            must_update(p, &m);
            assert_true(fabs(m.rate - 1e-3 * want[schedule][i]) < 1e-12);
        }
        assert_int_equal(ppo_update(p, &m, &err), -1); /* all are done */
        ppo_free(p);
        lm_model_free(f.model);
    }
}

static void refuses_what_can_not_train(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct err err = {0};
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    struct ppo_options good = f.options;
    f.options.samples = 5; /* 24 is no multiple */
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    f.options = good;
    f.options.temperature = 0;
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_non_null(strstr(err.message, "temperature"));
    f.options = good;
    f.options.response_tokens = 12; /* with a prompt of 5 more than the context */
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    f.options = good;
    f.options.memory_limit = 1000;
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_int_equal(err.code, ERR_NO_MEMORY);
    f.options = good;
    f.inputs.groups = 3; /* the objective speaks of two */
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    f.inputs.groups = 2;
    f.inputs.prompt_count = 0;
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_int_equal(err.code, ERR_INSUFFICIENT_DATA);
    lm_model_free(f.model);
}

static void gives_the_policy_without_its_value_head(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct err err = {0};
    ppo_fixture_make(&f, OBJECTIVE_SINGLE);
    struct ppo *p = ppo_open(&f);
    run_updates(p, 1);
    struct lm_model *policy = ppo_policy(p, &err);
    assert_non_null(policy);
    assert_int_equal(policy->shape.scalars, 0);
    assert_int_equal(ppo_model(p)->shape.scalars, 1);
    assert_memory_equal(policy->weights, p->model->weights, policy->layout.count * sizeof(float));
    lm_model_free(policy);
    ppo_free(p);
    lm_model_free(f.model);
}

static int start(void **state)
{
    struct err err;
    (void)state;
    return blas_start(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_at_ratio_one_and_kl_zero),
        cmocka_unit_test(divides_logits_by_the_temperature),
        cmocka_unit_test(ends_responses_where_they_end),
        cmocka_unit_test(cuts_what_the_scorer_sees),
        cmocka_unit_test(cuts_minibatches_without_effect),
        cmocka_unit_test(learns_by_the_gradient_of_its_loss),
        cmocka_unit_test(decodes_what_the_scorer_sees),
        cmocka_unit_test(survives_want_of_memory),
        cmocka_unit_test(whitens_over_the_whole_batch),
        cmocka_unit_test(trains_above_the_trunk_only),
        cmocka_unit_test(anchors_on_another_reference),
        cmocka_unit_test(resumes_to_the_same_bits),
        cmocka_unit_test(does_not_depend_on_threads),
        cmocka_unit_test(changes_nothing_when_it_fails),
        cmocka_unit_test(stops_on_numbers_that_are_not_finite),
        cmocka_unit_test(stops_epochs_early),
        cmocka_unit_test(takes_each_prompt_in_turn),
        cmocka_unit_test(anneals_the_rate),
        cmocka_unit_test(refuses_what_can_not_train),
        cmocka_unit_test(gives_the_policy_without_its_value_head),
    };
    return cmocka_run_group_tests_name("ppo", tests, start, NULL);
}
