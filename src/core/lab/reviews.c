#include "core/lab/reviews.h"

#include <math.h>

enum { OBJECTS = 16, ASPECTS = 6, SENTENCES_MAX = 5, KEPT = 24 };

static const double WORTH_OF_SENTIMENT = 0.6, WORTH_OF_A_WORD = -0.12;
static const double EMPHASIS = 1.25;

static const char *const subjects[REVIEWS_SUBJECTS] = {
    "kettle", "lamp",  "chair", "tent",  "radio", "knife", "coat",  "boat",  "phone", "clock", "desk", "bike",
    "oven",   "stove", "piano", "watch", "film",  "play",  "novel", "opera", "show",  "album", "game", "story"};

/* What is spoken of: of the objects, which come first, and of the works of art. */
static const char *const aspects[2][ASPECTS] = {{"price", "shape", "size", "look", "handle", "sound"},
                                                {"plot", "cast", "music", "ending", "pace", "look"}};

static const char *const headers[REVIEWS_HEADERS] = {"Review of the ", "On the ", "My view of the ", "Notes on the "};

struct word {
    const char *text;
    double sentiment;
};

/* The greatest praise takes many words: that is where the tastes part. */
static const double HIGH_PRAISE = 4;

static const struct word adjectives[] = {{"good", 1},
                                         {"nice", 1},
                                         {"fine", 1},
                                         {"great", 2},
                                         {"superb", 2},
                                         {"lovely", 2},
                                         {"all that one could ever wish for", 4},
                                         {"the best of all that I have seen", 4},
                                         {"a joy to me from the first day on", 4},
                                         {"much better than I had dared to hope", 4},
                                         {"plain", 0},
                                         {"normal", 0},
                                         {"usual", 0},
                                         {"poor", -1},
                                         {"weak", -1},
                                         {"dull", -1},
                                         {"awful", -2},
                                         {"bad", -2},
                                         {"ugly", -2}};
static const struct word verbs[] = {{"like", 1},
                                    {"enjoy", 1},
                                    {"love", 2},
                                    {"adore", 2},
                                    {"am so glad that I found", 4},
                                    {"tell all my friends to try", 4},
                                    {"know", 0},
                                    {"remember", 0},
                                    {"dislike", -1},
                                    {"doubt", -1},
                                    {"hate", -2},
                                    {"regret", -2}};

enum { ADJECTIVES = sizeof adjectives / sizeof adjectives[0], VERBS = sizeof verbs / sizeof verbs[0] };

static const char *const intensifiers[] = {"very", "really"};
static const char *const leads[] = {"to be honest", "as far as I can tell", "if you ask me", "all in all"};
static const char *const tails[] = {"from start to end", "in every way", "when I think of it", "after all this time"};
static const char *const facts[] = {"it came on a Monday",          "we had it for a week",
                                    "my sister has one too",        "a friend told me about it",
                                    "there are others of the kind", "it took an hour"};

enum { INTENSIFIERS = 2, LEADS = 4, TAILS = 4, FACTS = 6 };

/* ---- generation ---- */

/* A review's mood tells how likely praise, neutral words and blame are; who is pleased has more to say. */
enum mood { BAD_MOOD, MIXED_MOOD, GOOD_MOOD, MOODS };
static const double enthusiasm[MOODS] = {-0.15, 0, 0.15};
static const double praise_odds[MOODS] = {0.12, 0.36, 0.72}, blame_odds[MOODS] = {0.72, 0.36, 0.12};

struct author {
    struct rng *rng;
    struct buf *out;
    enum mood mood;
    double go_on;  /* probability of a further sentence */
    double filler; /* probability of a lead, and of a tail */
    int kind;      /* of the subject: 0 object, 1 work of art */
};

static bool chance(const struct author *a, double probability)
{
    return rng_uniform(a->rng) < probability;
}

static const char *pick(const struct author *a, const char *const *list, uint32_t n)
{
    return list[rng_below(a->rng, n)];
}

/* A word of the sign that the mood asks for. */
static const struct word *pick_word(const struct author *a, const struct word *list, uint32_t n)
{
    double u = rng_uniform(a->rng);
    int sign = u < praise_odds[a->mood] ? 1 : u < praise_odds[a->mood] + blame_odds[a->mood] ? -1 : 0;
    const struct word *word;
    do
        word = &list[rng_below(a->rng, n)];
    while ((word->sentiment > 0) - (word->sentiment < 0) != sign);
    return word;
}

static void say_adjective(const struct author *a)
{
    const struct word *word = pick_word(a, adjectives, ADJECTIVES);
    buf_text(a->out, " is ");
    if (word->sentiment < HIGH_PRAISE && chance(a, 0.3))
        buf_printf(a->out, "%s ", pick(a, intensifiers, INTENSIFIERS));
    buf_text(a->out, word->text);
}

static void say_verb(const struct author *a, bool of_aspect)
{
    buf_printf(a->out, " %s ", pick_word(a, verbs, VERBS)->text);
    if (of_aspect)
        buf_printf(a->out, "the %s", pick(a, aspects[a->kind], ASPECTS));
    else
        buf_text(a->out, "it");
}

static void end_sentence(const struct author *a)
{
    if (chance(a, a->filler))
        buf_printf(a->out, " %s", pick(a, tails, TAILS));
    buf_char(a->out, '.');
}

static void say_sentence(const struct author *a)
{
    size_t start = a->out->length + 1;
    uint32_t form = rng_below(a->rng, 10);
    buf_char(a->out, ' ');
    if (chance(a, a->filler))
        buf_printf(a->out, "%s, ", pick(a, leads, LEADS));
    if (form < 4) {
        buf_printf(a->out, "the %s", pick(a, aspects[a->kind], ASPECTS));
        say_adjective(a);
    } else if (form < 6) {
        buf_text(a->out, "it");
        say_adjective(a);
    } else if (form < 9) {
        buf_char(a->out, 'I');
        say_verb(a, form == 8);
    } else {
        buf_text(a->out, pick(a, facts, FACTS));
    }
    end_sentence(a);
    if (!a->out->failed && a->out->data[start] >= 'a')
        a->out->data[start] = (char)(a->out->data[start] - 'a' + 'A');
}

struct place {
    int subject, opening, header;
};

static struct place place_of(int index)
{
    return (struct place){index / (REVIEWS_OPENINGS * REVIEWS_HEADERS), index / REVIEWS_HEADERS % REVIEWS_OPENINGS,
                          index % REVIEWS_HEADERS};
}

/* The opening after the aspects are "I" and "It". */
void reviews_prompt(struct buf *out, int index)
{
    struct place p = place_of(index);
    buf_printf(out, "%s%s. ", headers[p.header], subjects[p.subject]);
    if (p.opening < ASPECTS)
        buf_printf(out, "The %s", aspects[p.subject >= OBJECTS][p.opening]);
    else
        buf_text(out, p.opening == ASPECTS ? "I" : "It");
}

bool reviews_held_out(int index)
{
    struct place p = place_of(index);
    return (p.subject + p.opening + p.header) % 4 == 3;
}

void reviews_response(struct buf *out, int index, struct rng *rng)
{
    static const double go_on[] = {0.2, 0.45, 0.7}, filler[] = {0, 0.1, 0.25};
    struct place p = place_of(index);
    struct author a = {.rng = rng, .out = out, .kind = p.subject >= OBJECTS};
    a.mood = (enum mood)rng_below(rng, MOODS);
    a.go_on = go_on[rng_below(rng, 3)] + enthusiasm[a.mood];
    a.filler = filler[rng_below(rng, 3)];
    if (p.opening == ASPECTS)
        say_verb(&a, false);
    else
        say_adjective(&a);
    end_sentence(&a);
    for (int n = 1; n < SENTENCES_MAX && chance(&a, a.go_on); n++)
        say_sentence(&a);
}

/* ---- measurement ---- */

/* A sentence under inspection. */
struct reader {
    struct str rest; /* what is not explained yet */
};

static void skip_spaces(struct reader *r)
{
    while (r->rest.len > 0 && r->rest.ptr[0] == ' ')
        r->rest = (struct str){r->rest.ptr + 1, r->rest.len - 1};
}

/* Takes `phrase` from the front when it stands there as whole words, capital or not. */
static bool take(struct reader *r, const char *phrase)
{
    size_t length = strlen(phrase);
    skip_spaces(r);
    if (r->rest.len < length || (r->rest.ptr[0] | 0x20) != (phrase[0] | 0x20) ||
        memcmp(r->rest.ptr + 1, phrase + 1, length - 1) != 0)
        return false;
    if (length < r->rest.len && r->rest.ptr[length] != ' ' && r->rest.ptr[length] != ',')
        return false;
    r->rest.ptr += length;
    r->rest.len -= length;
    return true;
}

static bool take_any(struct reader *r, const char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (take(r, list[i]))
            return true;
    return false;
}

static bool take_word(struct reader *r, const struct word *list, int n, double *ret)
{
    for (int i = 0; i < n; i++) {
        if (take(r, list[i].text)) {
            *ret = list[i].sentiment;
            return true;
        }
    }
    return false;
}

static bool take_aspect(struct reader *r)
{
    return take(r, "the") && (take_any(r, aspects[0], ASPECTS) || take_any(r, aspects[1], ASPECTS));
}

/* "is [very] ADJECTIVE" */
static bool take_predicate(struct reader *r, double *ret)
{
    if (!take(r, "is"))
        return false;
    bool emphatic = take_any(r, intensifiers, INTENSIFIERS);
    if (!take_word(r, adjectives, ADJECTIVES, ret) || (emphatic && *ret >= HIGH_PRAISE))
        return false;
    *ret *= emphatic ? EMPHASIS : 1;
    return true;
}

static bool take_core(struct reader *r, double *ret)
{
    *ret = 0;
    if (take_any(r, facts, FACTS))
        return true;
    if (take(r, "I"))
        return take_word(r, verbs, VERBS, ret) && (take(r, "it") || take_aspect(r));
    return (take(r, "it") || take_aspect(r)) && take_predicate(r, ret);
}

/* Whether the grammar derives the sentence (without its full stop), and what it says. */
static bool derives(struct str sentence, double *ret_sentiment)
{
    struct reader r = {sentence};
    if (take_any(&r, leads, LEADS)) {
        if (r.rest.len == 0 || r.rest.ptr[0] != ',')
            return false;
        r.rest = (struct str){r.rest.ptr + 1, r.rest.len - 1};
    }
    if (!take_core(&r, ret_sentiment))
        return false;
    take_any(&r, tails, TAILS);
    skip_spaces(&r);
    return r.rest.len == 0;
}

static int words_in(struct str text)
{
    int words = 0;
    for (size_t i = 0; i < text.len; i++)
        words += text.ptr[i] > ' ' && (i == 0 || text.ptr[i - 1] <= ' ');
    return words;
}

/* The first sentence begins in the prompt, behind its header. */
static struct str begun_in(struct str prompt)
{
    for (size_t i = 0; i + 2 <= prompt.len; i++)
        if (prompt.ptr[i] == '.' && prompt.ptr[i + 1] == ' ')
            return (struct str){prompt.ptr + i + 2, prompt.len - i - 2};
    return (struct str){prompt.ptr, 0};
}

/* The first sentence as one text: the end of the prompt and the beginning of the response. */
static struct str join(struct str begun, struct str rest, char *room, size_t size)
{
    if (begun.len + rest.len > size)
        return (struct str){room, 0};
    if (begun.len > 0)
        memcpy(room, begun.ptr, begun.len);
    if (rest.len > 0)
        memcpy(room + begun.len, rest.ptr, rest.len);
    return (struct str){room, begun.len + rest.len};
}

void reviews_measure(struct str prompt, struct str response, struct reviews_measure *ret)
{
    char room[256];
    struct str kept[KEPT];
    int count = 0;
    size_t start = 0;
    *ret = (struct reviews_measure){.words = words_in(response)};
    for (size_t i = 0; i < response.len; i++) {
        if (response.ptr[i] != '.')
            continue;
        struct reader sentence = {{response.ptr + start, i - start}};
        double sentiment;
        bool said = false;
        start = i + 1;
        if (ret->sentences++ == 0)
            sentence.rest = join(begun_in(prompt), sentence.rest, room, sizeof room);
        skip_spaces(&sentence);
        for (int k = 0; k < count; k++)
            said = said || str_equal(kept[k], sentence.rest);
        if (said || !derives(sentence.rest, &sentiment))
            continue;
        if (count < KEPT)
            kept[count++] = sentence.rest;
        ret->derived++;
        ret->sentiment += sentiment;
    }
}

double reviews_utility(enum reviews_taste taste, const struct reviews_measure *m)
{
    return taste == REVIEWS_SENTIMENT ? WORTH_OF_SENTIMENT * m->sentiment : WORTH_OF_A_WORD * m->words;
}

bool reviews_prefers(enum reviews_taste taste, const struct reviews_measure *a, const struct reviews_measure *b,
                     struct rng *rng)
{
    double margin = reviews_utility(taste, a) - reviews_utility(taste, b);
    return rng_uniform(rng) < 1 / (1 + exp(-margin));
}
