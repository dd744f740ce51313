/* Packs: some episodes one behind the other, as one pass of the model takes them. */
#include <string.h>

#include "base/mem.h"
#include "core/align/ppo_parts.h"

int ppo_pack_room(const struct ppo_options *o, int longest)
{
    int most = (o->episodes + o->minibatches - 1) / o->minibatches * (longest + o->response_tokens - 1);
    return o->pack_tokens > 0 && o->pack_tokens < most ? o->pack_tokens : most;
}

int ppo_pack_make(struct ppo *p, struct err *err)
{
    struct ppo_pack *k = &p->pack;
    size_t n = (size_t)p->options.episodes, room = (size_t)ppo_pack_room(&p->options, p->longest);
    bool trunk = p->options.frozen > 0;
    *k = (struct ppo_pack){.room = (int)room};
    k->starts = mem_array(n + 1, sizeof *k->starts);
    k->episodes = mem_array(n, sizeof *k->episodes);
    k->tokens = mem_array(room, sizeof *k->tokens);
    k->rows = mem_array(room, sizeof *k->rows);
    k->targets = mem_array(room, sizeof *k->targets);
    k->at = mem_array(room, sizeof *k->at);
    k->out = mem_aligned(4 * room, sizeof *k->out);
    k->trunk = trunk ? mem_aligned(room * (size_t)p->model->shape.width, sizeof *k->trunk) : NULL;
    if (!k->starts || !k->episodes || !k->tokens || !k->rows || !k->targets || !k->at || !k->out ||
        (trunk && !k->trunk))
        return err_memory(err);
    k->more = k->out + room;
    k->values = k->out + 2 * room;
    k->dvalues = k->out + 3 * room;
    return 0;
}

void ppo_pack_free(struct ppo_pack *k)
{
    void *all[] = {k->starts, k->episodes, k->tokens, k->rows, k->targets, k->at, k->out, k->trunk};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
}

/* Appends an episode: prompt and response without its last token. */
static void append(struct ppo *p, int episode)
{
    struct ppo_pack *k = &p->pack;
    const struct ppo_episode *e = &p->rollout.episodes[episode];
    const struct ppo_prompt *prompt = &p->prompts[e->prompt];
    int start = k->starts[k->sequences], last = start + prompt->length - 1;
    memcpy(k->tokens + start, prompt->tokens, (size_t)prompt->length * sizeof *k->tokens);
    memcpy(k->tokens + last + 1, e->tokens, (size_t)(e->count - 1) * sizeof *k->tokens);
    for (int t = 0; t < e->count; t++) {
        k->rows[k->predictions] = last + t;
        k->targets[k->predictions] = e->tokens[t];
        k->at[k->predictions++] = p->rollout.first[episode] + t;
    }
    k->episodes[k->sequences++] = episode;
    k->starts[k->sequences] = last + e->count;
}

int ppo_pack_fill(struct ppo *p, int from, int to)
{
    struct ppo_pack *k = &p->pack;
    const struct ppo_rollout *r = &p->rollout;
    k->sequences = k->predictions = k->starts[0] = 0;
    for (; from < to; from++) {
        int episode = (int)r->order[from];
        if (k->starts[k->sequences] + r->input[episode + 1] - r->input[episode] > k->room)
            break;
        append(p, episode);
    }
    return from;
}

static struct lm_batch view_of(const struct ppo_pack *k)
{
    return (struct lm_batch){.sequences = k->sequences,
                             .starts = k->starts,
                             .tokens = k->tokens,
                             .wanted = k->rows,
                             .wanted_count = k->predictions};
}

/* Copies the activations of the pack's episodes from the rollout, or to it. */
static void move_trunk(struct ppo *p, bool keep)
{
    struct ppo_pack *k = &p->pack;
    size_t D = (size_t)p->model->shape.width;
    for (int i = 0; i < k->sequences; i++) {
        float *here = k->trunk + (size_t)k->starts[i] * D;
        float *there = p->rollout.trunk + (size_t)p->rollout.input[k->episodes[i]] * D;
        size_t bytes = (size_t)(k->starts[i + 1] - k->starts[i]) * D * sizeof(float);
        memcpy(keep ? there : here, keep ? here : there, bytes);
    }
}

int ppo_pack_trunk(struct ppo *p, struct err *err)
{
    struct lm_batch view = view_of(&p->pack);
    if (!p->pack.trunk)
        return 0;
    if (lm_forward_trunk(p->run, &view, p->pack.trunk, err) < 0)
        return -1;
    move_trunk(p, true);
    return 0;
}

int ppo_pack_forward(struct ppo *p, struct err *err)
{
    struct lm_batch view = view_of(&p->pack);
    if (!p->pack.trunk)
        return lm_forward(p->run, &view, NULL, err);
    move_trunk(p, false);
    return lm_forward_from(p->run, &view, p->pack.trunk, err);
}

int ppo_minibatch_start(const struct ppo *p, int i)
{
    return (int)((int64_t)p->options.episodes * i / p->options.minibatches);
}
