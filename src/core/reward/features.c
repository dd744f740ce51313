#include "core/reward/features.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const char *const features_style_names[FEATURES_STYLE] = {
    "log_characters",   "log_words",      "log_sentences",  "log_words_per_sentence", "characters_per_word",
    "syllables_per_word", "grade_level",  "reading_ease",   "comma_rate",             "question_marks",
    "exclamation_marks", "digit_rate",    "capital_rate",   "log_lines",              "list_marks",
    "code_marks",       "type_token_ratio", "prompt_overlap", "long_word_rate",       "quote_rate",
    "first_person_rate", "second_person_rate", "links",     "function_word_rate",
};

enum { WORD_SLOTS = 4096, PROMPT_BITS = 8192 };

/* What one walk over a text counts. */
struct tally {
    int bytes, words, spoken, sentences, letters, syllables, long_words; /* spoken: words that begin with a letter */
    int commas, questions, exclamations, digits, capitals, lines, list_marks, code_marks, quotes;
    int first_person, second_person, links, function_words, overlap, distinct;
};

/* The walk's state: the previous word for 2-grams, the words seen, the words of the prompt. */
struct walk {
    struct tally tally;
    uint64_t previous;
    uint64_t seen[WORD_SLOTS]; /* open addressing; when it is full, further words count as seen */
    const uint8_t *prompt_words;
    float *counts; /* [FEATURES_LEXICON] */
    int buckets;
    float *hashed;
};

static bool is_word_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'' || c >= 0x80;
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* FNV-1a over the lower-cased word, then a finaliser, for the low bits pick the bucket. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

static uint64_t word_hash(const char *word, size_t length)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < length; i++)
        h = (h ^ lower((unsigned char)word[i])) * 0x100000001b3ULL;
    return mix(h);
}

static bool is_vowel(unsigned char c)
{
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y';
}

/* Groups of vowels, less a silent final e: right for about nine English words of ten. */
static int syllables_of(const char *word, size_t length)
{
    int count = 0;
    bool before = false;
    for (size_t i = 0; i < length; i++) {
        bool vowel = is_vowel(lower((unsigned char)word[i]));
        count += vowel && !before;
        before = vowel;
    }
    if (count > 1 && length > 2 && lower((unsigned char)word[length - 1]) == 'e' &&
        lower((unsigned char)word[length - 2]) != 'l')
        count--;
    return count > 0 ? count : 1;
}

static bool word_is_one_of(const char *word, size_t length, const char *const *list)
{
    for (; *list; list++) {
        size_t i = 0;
        while (i < length && (*list)[i] && lower((unsigned char)word[i]) == (unsigned char)(*list)[i])
            i++;
        if (i == length && (*list)[i] == '\0')
            return true;
    }
    return false;
}

static const char *const first_person[] = {"i", "i'm", "i've", "me", "my", "mine", "we", "our", "us", NULL};
static const char *const second_person[] = {"you", "your", "you're", "yours", "you'll", NULL};
static const char *const function_words[] = {"the", "a",  "an",   "of",  "to",   "in",   "and",  "or",   "is",   "are",
                                             "was", "be", "that", "it",  "for",  "on",   "with", "as",   "by",   "at",
                                             "but", "if", "not",  "can", "will", "this", "from", "have", "they", NULL};

/* Function words and other words of no topic, sorted: how often a writer uses each is style (Mosteller and Wallace
 * 1964) and carries over to prompts that were never seen. */
static const char lexicon[FEATURES_LEXICON][11] = {
    "a", "about", "above", "actually", "after", "again", "against", "all", "almost", "alone", "along", "already",
    "also", "although", "always", "am", "among", "an", "and", "another", "any", "anyone", "anything", "are", "around",
    "as", "at", "away", "back", "be", "because", "become", "been", "before", "being", "believe", "best", "better",
    "between", "both", "but", "by", "can", "cannot", "case", "come", "could", "course", "day", "did", "different",
    "do", "does", "doing", "don't", "done", "down", "during", "each", "easy", "either", "else", "enough",
    "especially", "even", "ever", "every", "everyone", "example", "fact", "far", "few", "find", "first", "for",
    "from", "full", "get", "give", "given", "go", "going", "good", "great", "had", "hard", "has", "have", "having",
    "he", "her", "here", "high", "him", "his", "how", "however", "i", "if", "important", "in", "indeed", "instead",
    "into", "is", "issue", "it", "it's", "its", "itself", "just", "keep", "kind", "know", "last", "least", "less",
    "let", "life", "like", "likely", "long", "look", "lot", "made", "make", "makes", "many", "may", "maybe", "me",
    "mean", "might", "more", "most", "much", "must", "my", "need", "never", "new", "no", "nor", "not", "nothing",
    "now", "number", "of", "off", "often", "on", "once", "one", "only", "or", "order", "other", "others", "our",
    "out", "over", "own", "part", "people", "perhaps", "person", "place", "point", "possible", "problem", "put",
    "question", "quite", "rather", "really", "reason", "right", "said", "same", "say", "second", "see", "seem",
    "several", "shall", "she", "should", "show", "simply", "since", "small", "so", "some", "someone", "something",
    "sometimes", "sorry", "still", "such", "sure", "take", "than", "that", "the", "their", "them", "themselves",
    "then", "there", "therefore", "these", "they", "thing", "things", "think", "this", "those", "though", "through",
    "thus", "time", "to", "together", "too", "true", "two", "under", "unless", "until", "up", "upon", "us", "use",
    "used", "using", "usually", "very", "want", "was", "way", "we", "well", "were", "what", "when", "where",
    "whether", "which", "while", "who", "whole", "why", "will", "with", "within", "without", "work", "world", "would",
    "yes", "yet", "you", "your",
};

/* The place of a word in the lexicon, or -1. */
static int lexicon_place(const char *word, size_t length)
{
    char text[sizeof lexicon[0]];
    if (length >= sizeof text)
        return -1;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)lower((unsigned char)word[i]);
    text[length] = '\0';
    int low = 0, high = FEATURES_LEXICON;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(text, lexicon[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* True when the hash was not there yet (and is now). */
static bool see(uint64_t *seen, uint64_t h)
{
    h |= 1;
    for (int probe = 0; probe < 64; probe++) {
        uint64_t *slot = &seen[((h >> 20) + (uint64_t)probe) % WORD_SLOTS];
        if (*slot == h)
            return false;
        if (*slot == 0) {
            *slot = h;
            return true;
        }
    }
    return false;
}

static void hash_gram(struct walk *w, uint64_t h)
{
    w->hashed[h % (uint64_t)w->buckets] += h >> 63 ? 1.0f : -1.0f;
}

static void take_word(struct walk *w, const char *word, size_t length)
{
    struct tally *t = &w->tally;
    uint64_t h = word_hash(word, length);
    t->words++;
    t->letters += (int)length;
    if (lower((unsigned char)word[0]) >= 'a') {
        t->spoken++;
        t->syllables += syllables_of(word, length);
    }
    t->long_words += length >= 7;
    t->first_person += word_is_one_of(word, length, first_person);
    t->second_person += word_is_one_of(word, length, second_person);
    t->function_words += word_is_one_of(word, length, function_words);
    t->links += length >= 4 && word_hash(word, 4) == word_hash("http", 4);
    if (see(w->seen, h)) {
        t->distinct++;
        uint64_t bit = h % PROMPT_BITS;
        t->overlap += w->prompt_words[bit / 8] >> bit % 8 & 1;
    }
    int place = lexicon_place(word, length);
    if (place >= 0)
        w->counts[place]++;
    hash_gram(w, h);
    if (w->previous)
        hash_gram(w, mix(w->previous * 0x9E3779B97F4A7C15ULL + h));
    w->previous = h;
}

static void take_mark(struct tally *t, const char *text, size_t i, size_t length)
{
    unsigned char c = (unsigned char)text[i];
    bool line_start = i == 0 || text[i - 1] == '\n';
    t->commas += c == ',' || c == ';' || c == ':';
    t->questions += c == '?';
    t->exclamations += c == '!';
    t->lines += c == '\n';
    t->code_marks += c == '`' || c == '{' || c == '}' || c == '<' || c == '>' || c == '=';
    t->quotes += c == '"' || c == '(';
    t->list_marks += line_start && (c == '-' || c == '*' || c == '#');
    bool stops = c == '.' || c == '!' || c == '?';
    bool next_open = i + 1 == length || text[i + 1] == ' ' || text[i + 1] == '\n' || text[i + 1] == '"';
    bool text_before = i > 0 && text[i - 1] != '\n' && text[i - 1] != '.' && text[i - 1] != '!' && text[i - 1] != '?';
    t->sentences += (stops && next_open) || (c == '\n' && text_before); /* a heading or list entry is a sentence */
}

/* A numbered list: digits and a dot or bracket at the start of a line. */
static bool is_list_number(const char *text, size_t from, size_t to, size_t length)
{
    bool line_start = from == 0 || text[from - 1] == '\n';
    return line_start && to - from <= 2 && to < length && (text[to] == '.' || text[to] == ')') &&
           text[from] >= '0' && text[from] <= '9';
}

static void walk_text(struct walk *w, struct str text)
{
    struct tally *t = &w->tally;
    t->bytes = (int)text.len;
    size_t i = 0;
    while (i < text.len) {
        size_t from = i;
        while (i < text.len && is_word_byte((unsigned char)text.ptr[i])) {
            t->digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
            t->capitals += text.ptr[i] >= 'A' && text.ptr[i] <= 'Z';
            i++;
        }
        if (i > from) {
            take_word(w, text.ptr + from, i - from);
            t->list_marks += is_list_number(text.ptr, from, i, text.len);
        } else {
            take_mark(t, text.ptr, i, text.len);
            i++;
        }
    }
}

static void mark_prompt_words(struct str prompt, uint8_t bits[PROMPT_BITS / 8])
{
    size_t i = 0;
    while (i < prompt.len) {
        size_t from = i;
        while (i < prompt.len && is_word_byte((unsigned char)prompt.ptr[i]))
            i++;
        if (i > from) {
            uint64_t bit = word_hash(prompt.ptr + from, i - from) % PROMPT_BITS;
            bits[bit / 8] |= (uint8_t)(1 << bit % 8);
        } else {
            i++;
        }
    }
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static void style_features(const struct tally *t, float *ret)
{
    double words = t->words > 0 ? t->words : 1, sentences = t->sentences > 0 ? t->sentences : 1;
    double bytes = t->bytes > 0 ? t->bytes : 1, distinct = t->distinct > 0 ? t->distinct : 1;
    double spoken = t->spoken > 0 ? t->spoken : 1;
    double per_sentence = spoken / sentences, syllables = t->syllables / spoken;
    const double values[FEATURES_STYLE] = {
        log1p(t->bytes),
        log1p(t->words),
        log1p(t->sentences),
        log1p(per_sentence),
        clamp(t->letters / words, 0, 12),
        clamp(syllables, 0, 4),
        clamp(0.39 * per_sentence + 11.8 * syllables - 15.59, -4, 30), /* Flesch-Kincaid grade */
        clamp(206.835 - 1.015 * per_sentence - 84.6 * syllables, -50, 120), /* Flesch reading ease */
        clamp(t->commas / words, 0, 0.5),
        log1p(t->questions),
        log1p(t->exclamations),
        clamp(t->digits / bytes, 0, 0.3),
        clamp(t->capitals / bytes, 0, 0.3),
        log1p(t->lines),
        log1p(t->list_marks),
        log1p(t->code_marks),
        t->distinct / words,
        t->overlap / distinct,
        t->long_words / words,
        clamp(t->quotes / words, 0, 0.5),
        clamp(t->first_person / words, 0, 0.3),
        clamp(t->second_person / words, 0, 0.3),
        log1p(t->links),
        t->function_words / words,
    };
    for (int i = 0; i < FEATURES_STYLE; i++)
        ret[i] = (float)values[i];
}

/* Signed square roots tame repeated words; the unit length keeps long texts from weighing more. */
static void settle_hashed(float *hashed, int buckets)
{
    double squares = 0;
    for (int i = 0; i < buckets; i++) {
        hashed[i] = copysignf(sqrtf(fabsf(hashed[i])), hashed[i]);
        squares += (double)hashed[i] * hashed[i];
    }
    float scale = squares > 0 ? (float)(1 / sqrt(squares)) : 0;
    for (int i = 0; i < buckets; i++)
        hashed[i] *= scale;
}

void features_of(struct str prompt, struct str response, int buckets, float *ret)
{
    uint8_t prompt_words[PROMPT_BITS / 8] = {0};
    struct walk w = {.prompt_words = prompt_words, .counts = ret + FEATURES_STYLE, .buckets = buckets,
                     .hashed = ret + FEATURES_TEXT};
    memset(w.counts, 0, ((size_t)FEATURES_LEXICON + (size_t)buckets) * sizeof *ret);
    mark_prompt_words(prompt, prompt_words);
    walk_text(&w, response);
    style_features(&w.tally, ret);
    for (int i = 0; i < FEATURES_LEXICON; i++)
        w.counts[i] = log1pf(w.counts[i]);
    settle_hashed(w.hashed, buckets);
}
