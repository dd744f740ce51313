/* PPO through low-rank adapters and a value head beside them: the same promises as for a model that is trained itself,
 * and those of adapters: the base is never touched, may stay in its files, and comes back merged. */
#include "unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/lm/checkpoint.h"
#include "core/ppo_support.h"

enum { RANK = 3 };

static const char llama[] = "tests/fixtures/lm_llama";

/* The policy of the other PPO tests, with adapters on `targets`; "": the usual ones. */
static void lora_fixture_make(struct ppo_fixture *f, const char *targets, int frozen)
{
    ppo_fixture_make(f, OBJECTIVE_MAXMIN);
    f->options.lora = (struct lora_wanted){.rank = RANK, .alpha = 6};
    strcpy(f->options.lora.targets, targets);
    f->options.frozen = frozen;
    f->options.rate = 1e-2;
}

/* The same of another family. */
static void llama_fixture_make(struct ppo_fixture *f)
{
    struct err err = {0};
    lora_fixture_make(f, "", 0);
    lm_model_free(f->model);
    f->model = checkpoint_load(llama, &err);
    assert_string_equal(err.message, "");
    f->inputs.policy = f->model;
}

static void remove_folder(const char *folder)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void starts_at_ratio_one_and_kl_zero(void **state)
{
    (void)state;
    for (int variant = 0; variant < 6; variant++) {
        struct ppo_fixture f;
        struct ppo_metrics m;
        if (variant < 4)
            lora_fixture_make(&f, variant % 2 ? "c_attn,mlp.c_proj" : "", variant % 2);
        else
            llama_fixture_make(&f);
        f.options.pack_tokens = variant / 2 % 2 ? 0 : 31;
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
        assert_true(m.kl != 0 && m.values_variance > 0);     /* the policy and its values have moved */
        ppo_free(p);
        lm_model_free(f.model);
    }
}

/* The log-probabilities without adapters of all that was sampled. */
static double *base_logp(const struct ppo *p, const struct ppo_fixture *f)
{
    struct err err = {0};
    struct lm_options options = {.gemm = f->options.gemm, .max_tokens = 16};
    struct lm_run *run = lm_run_new(f->model, &options, &err);
    double *ret = calloc((size_t)p->rollout.first[f->options.episodes], sizeof *ret);
    for (int i = 0; i < f->options.episodes; i++) {
        const struct ppo_episode *e = &p->rollout.episodes[i];
        const struct ppo_prompt *prompt = &f->prompts[e->prompt];
        int32_t tokens[16];
        int starts[2] = {0, prompt->length + e->count - 1}, rows[RESPONSE];
        float logp[RESPONSE];
        memcpy(tokens, prompt->tokens, (size_t)prompt->length * sizeof *tokens);
        memcpy(tokens + prompt->length, e->tokens, (size_t)(e->count - 1) * sizeof *tokens);
        for (int t = 0; t < e->count; t++)
            rows[t] = prompt->length - 1 + t;
        assert_int_equal(lm_forward(run, &(struct lm_batch){.sequences = 1, .starts = starts, .tokens = tokens}, NULL,
                                    &err), 0);
        lm_head(run, &(struct lm_head_request){.count = e->count, .rows = rows, .targets = e->tokens,
                                               .temperature = (float)f->options.temperature, .logp = logp});
        for (int t = 0; t < e->count; t++)
            ret[p->rollout.first[i] + t] = logp[t];
    }
    lm_run_free(run);
    return ret;
}

/* What is sampled is the adapted policy, and what it is compared with the base as it stands in memory. */
static void samples_with_the_adapters(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    lora_fixture_make(&f, "", 0);
    struct ppo *p = ppo_open(&f);
    run_updates(p, 3);
    must_update(p, &m);
    double *base = base_logp(p, &f), moved = 0;
    for (int i = 0; i < f.options.episodes; i++)
        for (int t = 0; t < p->rollout.episodes[i].count; t++) {
            int at = p->rollout.first[i] + t;
            assert_true(fabsf(p->rollout.drawn[(size_t)i * RESPONSE + t] - p->rollout.logp[at]) < 1e-5);
            assert_true(fabs(base[at] - p->rollout.reference[at]) < 1e-5);
            moved = fmax(moved, fabs(base[at] - p->rollout.logp[at]));
        }
    assert_true(moved > 1e-2); /* so the two are not the same anyway */
    free(base);
    ppo_free(p);
    lm_model_free(f.model);
}

/* Through A, B and the value head, together and the value head by itself. */
static void learns_by_the_gradient_of_its_loss(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct ppo_fixture f;
        if (variant < 2)
            lora_fixture_make(&f, "c_attn,c_proj,c_fc", variant);
        else
            llama_fixture_make(&f);
        struct ppo *p = ppo_of_one_minibatch(&f);
        size_t count = move_away(p), head = p->adapters->head_weight;
        assert_int_equal(count, p->adapters->total);
        gradient_beside_differences(p, 0, count);
        gradient_beside_differences(p, 0, head);
        gradient_beside_differences(p, head, count);
        ppo_free(p);
        lm_model_free(f.model);
    }
}

static void leaves_the_base_alone(void **state)
{
    (void)state;
    for (int frozen = 0; frozen < 2; frozen++) {
        struct ppo_fixture f;
        struct err err = {0};
        lora_fixture_make(&f, "c_attn,c_fc", frozen);
        struct lm_model *before = lm_model_copy(f.model, 0, &err);
        struct ppo *p = ppo_open(&f);
        float *start = malloc(p->adapters->total * sizeof *start);
        memcpy(start, p->reference, p->adapters->total * sizeof *start);
        run_updates(p, 3);
        assert_ptr_equal(ppo_model(p), f.model);
        assert_memory_equal(f.model->weights, before->weights, before->layout.count * sizeof(float));
        assert_memory_equal(p->reference, start, p->adapters->total * sizeof(float));
        assert_memory_not_equal(p->adapters->weights, start, p->adapters->total * sizeof(float));
        assert_int_equal(ppo_adapters(p)->count, frozen ? 2 : 4); /* of two blocks */
        struct lm_model *policy = ppo_policy(p, &err);
        size_t trunk = lm_layout_start(&before->layout, &before->shape, frozen);
        assert_memory_equal(policy->weights, before->weights, trunk * sizeof(float));
        assert_memory_not_equal(policy->weights + trunk, before->weights + trunk,
                                (before->layout.count - trunk) * sizeof(float));
        free(start);
        lm_model_free(policy);
        lm_model_free(before);
        ppo_free(p);
        lm_model_free(f.model);
    }
}

static void does_not_depend_on_threads(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct err err = {0};
    struct threads *two = threads_new(2, &err);
    lora_fixture_make(&f, "", 0);
    struct ppo *a = ppo_open(&f);
    f.options.gemm.threads = two;
    struct ppo *b = ppo_open(&f);
    run_updates(a, 2);
    run_updates(b, 2);
    assert_memory_equal(a->adapters->weights, b->adapters->weights, a->adapters->total * sizeof(float));
    assert_memory_equal(&a->state, &b->state, sizeof a->state);
    ppo_free(a);
    ppo_free(b);
    threads_free(two);
    lm_model_free(f.model);
}

static void assert_same_course(const struct ppo *a, const struct ppo *b)
{
    size_t bytes = a->adapters->total * sizeof(float);
    assert_memory_equal(a->adapters->weights, b->adapters->weights, bytes);
    assert_memory_equal(a->adam->m, b->adam->m, bytes);
    assert_memory_equal(a->adam->v, b->adam->v, bytes);
    assert_memory_equal(&a->state, &b->state, sizeof a->state);
}

/* A checkpoint holds adapters and no model; another choice of adapters, or another base, is another course. */
static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    for (int frozen = 0; frozen < 2; frozen++) {
        char out[] = "/tmp/egalign-ppo-lora-XXXXXX", path[96];
        struct ppo_fixture f;
        struct err err = {0};
        assert_non_null(mkdtemp(out));
        lora_fixture_make(&f, "c_attn,mlp.c_proj", frozen);
        struct ppo *whole = ppo_open(&f), *broken = ppo_open(&f);
        run_updates(whole, 4);
        run_updates(broken, 2);
        assert_int_equal(ppo_save(broken, out, &err), 0);
        run_updates(broken, 1); /* lost */
        ppo_free(broken);
        snprintf(path, sizeof path, "%s/checkpoint-2/model.safetensors", out);
        assert_int_not_equal(access(path, F_OK), 0);
        broken = ppo_open(&f);
        assert_int_equal(ppo_resume(broken, out, &err), 1);
        run_updates(broken, 2);
        assert_same_course(whole, broken);
        ppo_free(broken);
        ppo_free(whole);
        for (int change = 0; change < 4; change++) {
            struct ppo_options good = f.options;
            f.options.lora.rank += change == 0;
            f.options.lora.alpha += change == 1;
            if (change == 2)
                strcpy(f.options.lora.targets, "c_attn");
            f.model->weights[0] += change == 3;
            broken = ppo_open(&f);
            assert_int_equal(ppo_resume(broken, out, &err), -1);
            assert_int_equal(err.code, ERR_CONFLICT);
            ppo_free(broken);
            f.options = good;
        }
        lm_model_free(f.model);
        remove_folder(out);
    }
}

/* Bit for bit, whether the base is in memory or in its files, and also when it moves there in between; and the result
 * that is merged while it is written is the one that is merged in memory. */
static void a_base_may_stay_in_its_files(void **state)
{
    (void)state;
    char out[] = "/tmp/egalign-ppo-lora-XXXXXX", base[64], written[64], saved[64];
    struct ppo_fixture f;
    struct err err = {0};
    assert_non_null(mkdtemp(out));
    snprintf(base, sizeof base, "%s/base", out);
    snprintf(written, sizeof written, "%s/written", out);
    snprintf(saved, sizeof saved, "%s/saved", out);
    llama_fixture_make(&f);
    assert_int_equal(checkpoint_save(f.model, base, NULL, DTYPE_BF16, &err), 0);
    lm_model_free(f.model);
    struct lm_model *loaded = checkpoint_load(base, &err), *mapped = checkpoint_map(base, &err);
    assert_string_equal(err.message, "");
    f.inputs.policy = loaded;
    struct ppo *a = ppo_open(&f);
    run_updates(a, 1);
    assert_int_equal(ppo_save(a, out, &err), 0);
    f.inputs.policy = mapped;
    struct ppo *b = ppo_open(&f);
    assert_int_equal(ppo_resume(b, out, &err), 1);
    run_updates(a, 2);
    run_updates(b, 2);
    assert_same_course(a, b);
    for (int stored = 0; stored < 2; stored++) {
        enum safetensors_dtype dtype = stored ? DTYPE_BF16 : DTYPE_F32;
        assert_int_equal(ppo_write_policy(b, written, base, dtype, &err), 0);
        struct lm_model *merged = ppo_policy(a, &err), *got = checkpoint_load(written, &err);
        assert_int_equal(checkpoint_save(merged, saved, NULL, dtype, &err), 0);
        struct lm_model *want = checkpoint_load(saved, &err);
        assert_memory_equal(got->weights, want->weights, want->layout.count * sizeof(float));
        assert_memory_not_equal(got->weights, loaded->weights, want->layout.count * sizeof(float));
        lm_model_free(merged);
        lm_model_free(got);
        lm_model_free(want);
    }
    assert_null(ppo_policy(b, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    f.options.lora.rank = 0;
    assert_null(ppo_new(&f.inputs, &f.options, &err)); /* it cannot be trained itself */
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    ppo_free(a);
    ppo_free(b);
    lm_model_free(loaded);
    lm_model_free(mapped);
    remove_folder(out);
}

/* The merged policy gives the log-probabilities that training saw. */
static void gives_the_merged_policy(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    llama_fixture_make(&f);
    struct ppo *p = ppo_open(&f);
    run_updates(p, 3);
    struct lm_model *policy = ppo_policy(p, &err), *base = f.model;
    must_update(p, &m); /* its rollout is of the policy as it was merged */
    f.model = policy;
    double *merged = base_logp(p, &f);
    f.model = base;
    double *plain = base_logp(p, &f), moved = 0;
    for (int t = 0; t < p->rollout.first[f.options.episodes]; t++) {
        assert_true(fabs(merged[t] - p->rollout.logp[t]) < 1e-5);
        moved = fmax(moved, fabs(plain[t] - p->rollout.logp[t]));
    }
    assert_true(moved > 1e-2);
    assert_int_equal(policy->shape.scalars, 0);
    free(merged);
    free(plain);
    lm_model_free(policy);
    ppo_free(p);
    lm_model_free(base);
}

/* A value head that the policy has is the one that training starts with. */
static void takes_over_a_value_head(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    lora_fixture_make(&f, "", 0);
    struct lm_model *valued = lm_model_copy(f.model, 1, &err);
    valued->weights[valued->layout.scalar.weight + 5] = 0.5f;
    valued->weights[valued->layout.scalar.bias] = 2;
    f.inputs.policy = valued;
    struct ppo *p = ppo_open(&f);
    must_update(p, &m);
    assert_true(m.values_mean > 1 && m.values_variance > 0);
    struct lm_model *policy = ppo_policy(p, &err);
    assert_int_equal(policy->shape.scalars, 0);
    lm_model_free(policy);
    ppo_free(p);
    lm_model_free(valued);
    lm_model_free(f.model);
}

static void learns_a_rewarded_token(void **state)
{
    (void)state;
    enum { UPDATES = 40 };
    struct ppo_fixture f;
    struct ppo_metrics m;
    double first = 0, score = 0, kl = 0, explained = 0; /* the last three: means over the last quarter */
    lora_fixture_make(&f, "c_attn,c_proj,c_fc", 0);
    objective_options_default(OBJECTIVE_SINGLE, 2, &f.objective);
    for (size_t i = 0; i < f.model->layout.positions; i++)
        f.model->weights[i] *= 10; /* a head that can tell tokens apart: adapters do not change it */
    f.options.lora = (struct lora_wanted){.rank = 8, .targets = "c_attn,c_proj,c_fc"};
    f.options.updates = UPDATES;
    f.options.episodes = f.options.slots = 64;
    f.options.temperature = 1;
    f.options.fixed_length = true;
    f.options.rate = 3e-3;
    f.options.beta = 0.02;
    struct ppo *p = ppo_open(&f);
    assert_true(p->adapters->alpha == 16); /* twice the rank when nothing is said */
    for (int i = 0; i < UPDATES; i++) {
        must_update(p, &m);
        first = i == 0 ? m.group_scores[0] : first;
        double share = i >= UPDATES * 3 / 4 ? 4.0 / UPDATES : 0;
        score += share * m.group_scores[0];
        kl += share * m.kl;
        explained += share * m.explained;
    }
    assert_true(first < 0.1 && score > 0.5 && kl > 1 && explained > 0.03);
    ppo_free(p);
    lm_model_free(f.model);
}

/* A failed update puts adapters and moments back. */
static void changes_nothing_when_it_fails(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct ppo_metrics m;
    struct err err = {0};
    lora_fixture_make(&f, "", 0);
    struct ppo *p = ppo_open(&f);
    run_updates(p, 1);
    size_t bytes = p->adapters->total * sizeof(float);
    float *before = malloc(bytes);
    memcpy(before, p->adapters->weights, bytes);
    p->options.rate = 1e30; /* the first step throws the weights away; the second minibatch sees it */
    assert_int_equal(ppo_update(p, &m, &err), -1);
    assert_int_equal(err.code, ERR_NUMERICAL);
    assert_memory_equal(before, p->adapters->weights, bytes);
    free(before);
    ppo_free(p);
    lm_model_free(f.model);
}

/* Less memory than training the model, less still when that stays in its files. */
static void predicts_less_memory(void **state)
{
    (void)state;
    struct lm_shape shape = {.family = LM_LLAMA, .vocabulary = 32000, .context = 2048, .layers = 16, .width = 2048,
                             .heads = 32, .kv_heads = 32, .head_width = 64, .hidden = 5632, .norm_eps = 1e-5,
                             .rope_theta = 10000, .bos = 1, .eos = 2};
    struct ppo_fixture f;
    lora_fixture_make(&f, "", 0);
    struct ppo_options o = f.options;
    size_t adapted = ppo_bytes(&shape, &o, 64);
    o.mapped = true;
    size_t mapped = ppo_bytes(&shape, &o, 64);
    o = f.options;
    o.lora.rank = 0;
    size_t whole = ppo_bytes(&shape, &o, 64);
    struct lm_layout layout;
    assert_int_equal(lm_layout_make(&shape, &layout, NULL), 0);
    size_t weights = layout.count * sizeof(float);
    assert_true(whole > 8 * weights && adapted > weights && adapted < 1.5 * (double)weights && mapped < weights / 2);
    lm_layout_free(&layout);
    strcpy(f.options.lora.targets, "c_attn"); /* of the other family */
    assert_int_equal(ppo_bytes(&shape, &f.options, 64), 0);
    lm_model_free(f.model);
}

static void refuses_what_can_not_train(void **state)
{
    (void)state;
    struct ppo_fixture f;
    struct err err = {0};
    lora_fixture_make(&f, "q_proj", 0);
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_non_null(strstr(err.message, "q_proj"));
    strcpy(f.options.lora.targets, "");
    f.options.frozen = 2; /* all of them */
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_string_equal(err.pointer, "/frozen_blocks");
    f.options.frozen = 0;
    f.options.lora.rank = LORA_MAX_RANK + 1;
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_string_equal(err.pointer, "/lora_rank");
    f.options.lora.rank = RANK;
    struct lm_model *other = tiny_model(2, 32, 4);
    f.inputs.reference = other;
    assert_null(ppo_new(&f.inputs, &f.options, &err));
    assert_non_null(strstr(err.message, "reference"));
    f.inputs.reference = f.model;
    ppo_free(ppo_open(&f)); /* the policy itself is no other one */
    lm_model_free(other);
    lm_model_free(f.model);
}

/* Every allocation fails once: an error and no leak, or a result where only a prediction of memory was lost. */
static void survives_want_of_memory(void **state)
{
    (void)state;
    struct ppo_fixture f;
    lora_fixture_make(&f, "", 1);
    f.options.episodes = f.options.minibatches = 2;
    assert_in_range(ppo_fail_allocations(&f, 130), 40, 129); /* the last ones fail nothing: all were reached */
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
        cmocka_unit_test(samples_with_the_adapters),
        cmocka_unit_test(learns_by_the_gradient_of_its_loss),
        cmocka_unit_test(leaves_the_base_alone),
        cmocka_unit_test(does_not_depend_on_threads),
        cmocka_unit_test(resumes_to_the_same_bits),
        cmocka_unit_test(a_base_may_stay_in_its_files),
        cmocka_unit_test(gives_the_merged_policy),
        cmocka_unit_test(takes_over_a_value_head),
        cmocka_unit_test(learns_a_rewarded_token),
        cmocka_unit_test(changes_nothing_when_it_fails),
        cmocka_unit_test(predicts_less_memory),
        cmocka_unit_test(refuses_what_can_not_train),
        cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests_name("ppo_lora", tests, start, NULL);
}
