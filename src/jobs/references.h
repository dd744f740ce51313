/* references: the prompts that a ppo job trains on, and what the reference policy answers to them.
 *
 * They are drawn when the job first starts and kept in its folder, one line a prompt, so that every attempt trains on
 * the same whatever the project has got since. The struct owns its texts. One thread. */
#ifndef EGALIGN_JOBS_REFERENCES_H
#define EGALIGN_JOBS_REFERENCES_H

#include "core/align/group_rewards.h"
#include "core/align/language_model.h"
#include "core/align/ppo.h"
#include "jobs/reporter.h"

struct references {
    struct reference_set set;   /* prompts as the fit reads them, and the responses */
    const struct str *prompt;   /* [set.prompts] as the language model is given them */
    struct token_list *tokens;  /* [set.prompts] the same within the template */
    struct ppo_prompt *asked;   /* [set.prompts] views of `tokens` */
    struct arena arena;
};

/* What decides which prompts and how they are answered. */
struct references_wanted {
    const struct uuid *items; /* NULL: a sample of the project's */
    size_t item_count;
    int64_t most;      /* items of the sample */
    int prompt_tokens; /* longer prompts are left out */
    int each;          /* responses to each prompt */
    const struct ppo_options *ppo;
    const char *path;  /* of the file */
};

/* Reads the file, or draws the prompts, samples the responses and writes it. ERR_INSUFFICIENT_DATA: no prompt fits.
 * ERR_NO_MEMORY before anything is sampled. ERR_CANCELLED when the job is told to stop or has lost its lease.
 * references_free in any case. */
int references_get(struct reporter *reporter, const struct language_model *lm, const struct references_wanted *wanted,
                   struct references *ret, struct err *err);
void references_free(struct references *r);

#endif
