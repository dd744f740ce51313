#include "cli/demo_text.h"

#include <string.h>

const char *const demo_policies[DEMO_STYLES] = {"brief-1", "plain-1", "thorough-1"};

/* What the sentences say about one thing; a letter in braces stands for each in the templates below. */
struct thing {
    const char *name;  /* {n} */
    const char *wash;  /* {w}: what cleans it */
    const char *tend;  /* {t}: what keeps it well afterwards */
    const char *enemy; /* {e}: what ruins it */
    const char *sign;  /* {s}: how one sees that it needs care */
    const char *place; /* {p}: where it is kept */
};

static const struct thing things[] = {
    {"a bicycle chain", "a rag and some degreaser", "chain oil", "grit", "a grinding sound", "in a dry shed"},
    {"a cast-iron pan", "hot water and a stiff brush", "linseed oil", "soap left overnight", "a dull grey patch",
     "on an open shelf"},
    {"a leather boot", "a damp cloth", "beeswax", "road salt", "a white crust", "in a cupboard with a shoe tree"},
    {"a wool jumper", "cool water and wool soap", "a cedar block", "moths", "a tiny round hole", "folded in a drawer"},
    {"a garden fork", "a bucket of sand", "a little engine oil", "rust", "an orange bloom", "hanging on the wall"},
    {"a wooden table", "a cloth wrung nearly dry", "hard wax", "standing water", "a pale ring",
     "away from the radiator"},
    {"a kettle", "vinegar and water", "a rinse with fresh water", "limescale", "white flakes",
     "empty, with its lid off"},
    {"a raincoat", "a mild soap", "a waterproofing spray", "fabric softener", "water that no longer beads",
     "on a wide hanger"},
    {"a kitchen knife", "warm water by hand", "a whetstone", "the dishwasher", "a tomato that squashes",
     "on a magnetic strip"},
    {"a straw hat", "a soft dry brush", "steam from a kettle", "heavy rain", "a crack in the brim",
     "upside down in a box"},
    {"a tent", "a sponge and clear water", "seam sealer", "mildew", "a musty smell", "loosely in a cotton bag"},
    {"a violin bow", "a dry cotton cloth", "rosin", "damp air", "hairs that come loose", "slackened in its case"},
    {"a fountain pen", "lukewarm water", "a full drink of good ink", "dried ink", "a scratchy line", "with its nib up"},
    {"a window frame", "sugar soap", "a coat of paint", "frost", "paint that lifts", "shut in the wet season"},
    {"a paintbrush", "white spirit", "a wrap of brown paper", "paint in the heel", "bristles that splay", "lying flat"},
    {"a stone doorstep", "a broom and rainwater", "lime mortar", "bleach", "a green film", "clear of fallen leaves"},
};

static const struct {
    const char *prompt, *answer;
} questions[] = {
    {"How do I clean {n}?", "Use {w}, then let it dry."},
    {"What ruins {n}?", "Mostly {e}."},
    {"How do I keep {n} over the winter?", "Clean it and leave it {p}."},
    {"How can I tell that {n} needs care?", "Watch out for {s}."},
    {"Is {n} worth repairing?", "Usually yes, unless {e} has gone too far."},
};

enum { THINGS = sizeof things / sizeof things[0], QUESTIONS = sizeof questions / sizeof questions[0] };
_Static_assert(THINGS *QUESTIONS == DEMO_PROMPTS, "a prompt for every thing and question");

static const char *const details[] = {
    "That matters because {e} does its work slowly, long before anybody sees it.",
    "Begin with {w}, go from the outside in, and wipe away whatever comes off.",
    "Afterwards {t} will protect it for a few months.",
    "When you already see or hear {s}, do it twice, with a day in between.",
    "Keep it {p}, where the air can move around it.",
    "Try everything on a spot that nobody sees first, and wait until that has dried.",
    "A neighbour of mine does this every spring, and hers has lasted for twenty years.",
    "There is no need to buy anything special; {w} and {t} are all that it takes.",
    "If you are in doubt, do less and look at it again in a week.",
    "Do not hurry the drying, and never use a hot iron or a hair dryer for it.",
    "Somebody who repairs such things for a living would begin in exactly the same way.",
    "Besides {s}, you may notice that it no longer feels right in the hand.",
};
enum { DETAILS = sizeof details / sizeof details[0] };

static const char in_short[] = "\n\nIn short:\n- clean it with {w}\n- finish with {t}\n- keep it {p}";

/* Fewest and most details of each style. The ranges touch, so that style is not all that a length tells. */
static const struct {
    uint32_t least, most;
    bool summary;
} styles[DEMO_STYLES] = {[DEMO_BRIEF] = {0, 1, false}, [DEMO_PLAIN] = {1, 4, false}, [DEMO_THOROUGH] = {4, 7, true}};

static const char *slot(const struct thing *thing, char letter) {
    switch (letter) {
    case 'n':
        return thing->name;
    case 'w':
        return thing->wash;
    case 't':
        return thing->tend;
    case 'e':
        return thing->enemy;
    case 's':
        return thing->sign;
    default:
        return thing->place;
    }
}

/* Appends the template with its slots filled. */
static void fill(struct buf *out, const char *template, const struct thing *thing) {
    for (const char *brace; (brace = strchr(template, '{')); template = brace + 3) {
        buf_add(out, template, (size_t)(brace - template));
        buf_text(out, slot(thing, brace[1]));
    }
    buf_text(out, template);
}

void demo_prompt(struct buf *out, int index) {
    fill(out, questions[index % QUESTIONS].prompt, &things[index / QUESTIONS]);
}

static int words_of(const char *text, size_t length) {
    int words = 0;
    for (size_t i = 0; i < length; i++)
        words += text[i] > ' ' && (i == 0 || text[i - 1] <= ' ');
    return words;
}

int demo_response(struct buf *out, int index, enum demo_style style, struct rng *rng) {
    const struct thing *thing = &things[index / QUESTIONS];
    size_t start = out->length;
    uint32_t order[DETAILS];
    for (uint32_t i = 0; i < DETAILS; i++)
        order[i] = i;
    rng_shuffle(rng, order, DETAILS);
    uint32_t count = styles[style].least + rng_below(rng, styles[style].most - styles[style].least + 1);

    fill(out, questions[index % QUESTIONS].answer, thing);
    for (uint32_t i = 0; i < count; i++) {
        buf_char(out, ' ');
        fill(out, details[order[i]], thing);
    }
    if (styles[style].summary && rng_below(rng, 2) == 0)
        fill(out, in_short, thing);
    return out->failed ? 0 : words_of(out->data + start, out->length - start);
}
