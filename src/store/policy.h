/* policy: the checkpoints of a project, and the jobs that make and read them: language models, which write, and sets of
 * reward models, one for each group of a fit and a single one, which ppo jobs are rewarded by. Both are named, deleted
 * and kept alike; a role says which of the two one is, and who wants the one refuses the other.
 *
 * A policy comes into being together with the job that makes it (register, sft, ppo, rebase, reward): its name is taken
 * from then on, and in the transaction that ends the job it becomes ready, with its digest. Names are never given
 * again, for they tag responses; only a policy that was never ready goes for good when it is deleted. job_policy says
 * which policies a job reads: a policy that a job waits for or works with cannot be deleted.
 *
 * It refuses to touch files and to know what a kind of job does with its options: src/jobs. Functions that give JSON
 * append one complete document to `out`. Thread rule: as the pool or the connection. */
#ifndef EGALIGN_STORE_POLICY_H
#define EGALIGN_STORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "store/page.h"

struct pg;
struct pool;
struct job_lease;

/* A name is a letter or digit, then letters, digits, '.', '_' or '-'; it does not read as a UUID. */
enum { POLICY_NAME_MOST = 63 };

/* ERR_INVALID_VALUE with `pointer` unless the name is one that a policy may have. */
int policy_name_check(struct str name, const char *pointer, struct err *err);

/* What a checkpoint is for. */
enum policy_role { POLICY_WRITES, POLICY_REWARDS };
extern const char *const policy_roles[]; /* their names, in that order, ended by NULL */

/* ERR_INVALID_VALUE unless the policy of that name has the role that is wanted. */
int policy_role_check(struct str name, enum policy_role has, enum policy_role wanted, struct err *err);

/* ---- for the API ---- */

/* The policy with this name or id, deleted or not. ERR_NOT_FOUND. */
int policy_find(struct pool *pool, const struct uuid *project, struct str name_or_id, struct uuid *ret,
                struct err *err);

/* What is worth knowing of a policy that something else is to rest on. */
struct policy_reference {
    struct uuid id;
    struct uuid fit; /* of reward models: whose groups they are for */
    char family[8];  /* "gpt2", "llama", or empty until it is ready */
};

/* The same of one with the role that is wanted: ERR_NOT_FOUND, ERR_INVALID_VALUE. */
int policy_refer(struct pool *pool, const struct uuid *project, struct str name_or_id, enum policy_role wanted,
                 struct policy_reference *ret, struct err *err);

/* Appends {id, name, role, state (making, ready, failed, deleted), parent, job, folder, recipe, digest, family,
 * parameters, bytes, created_at, ready_at, deleted_at}. ERR_NOT_FOUND. */
int policy_get(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct buf *out,
               struct err *err);

/* Appends a page, newest first; `role` is a name, NULL for all. */
int policy_list(struct pool *pool, const struct uuid *project, const char *role, const struct page *page,
                struct buf *out, struct err *err);

/* Marks it deleted, or removes one that was never ready; deleting a deleted one changes nothing. Its files are the
 * workers' business (policy_discarded). ERR_NOT_FOUND; ERR_CONFLICT, with the reason, while its own job or one that
 * reads it waits or runs, while the published fit rests on it, and while a policy that was never ready has children. */
int policy_delete(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct err *err);

/* ---- asking for a job that reads policies or makes one ---- */

struct policy_order {
    const char *kind;          /* of enum job_kind */
    struct str options;        /* a JSON object: the job's parameters */
    const struct uuid *reads;  /* [read_count] policies that the job reads; each must be ready */
    size_t read_count;
    struct str makes;          /* name of the policy that it makes; ptr NULL: none */
    enum policy_role role;     /* of that */
    const struct uuid *parent; /* of that; NULL: none */
    struct str recipe;         /* of that, a JSON object; ptr NULL: the options */
    struct str folder;         /* of that, when it is there already; ptr NULL: the job writes one */
    const struct uuid *token;  /* who asks; NULL: the command line */
    const char *traceparent;   /* NULL: none */
};

/* Queues the job, with its policy, in one transaction. *ret_policy (may be NULL) is untouched when it makes none.
 * ERR_NOT_READY: a policy of `reads` is not ready (any more). ERR_CONFLICT: the name is taken. */
int policy_order(struct pool *pool, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                 struct uuid *ret_policy, struct err *err);

/* The same within a transaction of the caller, who stores more with it. */
int policy_order_on(struct pg *pg, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                    struct uuid *ret_policy, struct err *err);

/* Whether the policy that `order` would make is there, neither deleted nor failed, with the same parent, recipe and
 * folder: then 1 and its ids. 0 when not. */
int policy_same(struct pool *pool, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                struct uuid *ret_policy, struct err *err);

/* ---- for run-job ---- */

/* What a checkpoint directory turned out to be. */
struct policy_facts {
    uint8_t digest[SHA256_SIZE]; /* core/lm/checkpoint_digest.h; of reward models core/align/reward_scorer.h */
    const char *family;          /* "gpt2" or "llama" */
    int64_t parameters, bytes;   /* of all models */
};

struct policy {
    struct uuid id;
    char *name;                  /* in the caller's arena, as all that follows */
    char *folder;                /* NULL: none yet */
    bool ready;                  /* and not deleted; the digest is only there then */
    uint8_t digest[SHA256_SIZE];
    enum policy_role role;
    struct uuid fit;             /* by policy_read, of reward models: whose groups they are for */
};

/* The policy with this name or id, which must be ready and have the role that is wanted: ERR_UNKNOWN_REFERENCE,
 * ERR_NOT_READY, ERR_INVALID_VALUE. */
int policy_read(struct pg *pg, const struct uuid *project, struct str name_or_id, enum policy_role wanted,
                struct arena *arena, struct policy *ret, struct err *err);

/* The policy that the job makes. ERR_NOT_FOUND: it was deleted, so the job has nothing to do. */
int policy_of_job(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct policy *ret,
                  struct err *err);

/* Adds the members of a JSON object to the recipe of the policy that the job makes: what only the job knows.
 * ERR_LEASE_LOST. */
int policy_recipe_add(struct pg *pg, const struct job_lease *lease, struct str members, struct err *err);

/* Makes the job's policy ready and ends the job as done, in one transaction. `folder`: where it lies, an absolute path.
 * ERR_LEASE_LOST: nothing was written. Soft errors of the database may be tried again. */
int policy_publish(struct pg *pg, const struct job_lease *lease, const char *folder, const struct policy_facts *facts,
                   struct err *err);

/* ---- for workers ---- */

/* The next deleted policy whose folder a job of ours made and nobody has removed yet, after `after` (NULL: the first):
 * 1 and *ret, 0 when there is none. */
int policy_discarded(struct pg *pg, const struct uuid *after, struct arena *arena, struct policy *ret,
                     struct err *err);

/* Notes that the folder of a deleted policy is gone. */
int policy_folder_gone(struct pg *pg, const struct uuid *policy, struct err *err);

#endif
