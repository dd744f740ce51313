/* policy_folder: the checkpoint directory of a policy: what it holds, how a job that has written one publishes it, and
 * how it goes when its policy was deleted.
 *
 * A job of ours writes its result under any name in the model folder; publishing moves it to its own place,
 * MODEL_FOLDER/policies/ID, by one rename, so that whoever sees a policy sees all of it. It refuses to remove anything
 * but that place. Thread rule: no shared state. */
#ifndef EGALIGN_JOBS_POLICY_FOLDER_H
#define EGALIGN_JOBS_POLICY_FOLDER_H

#include "base/buf.h"
#include "jobs/reporter.h"
#include "store/policy.h"

struct pg;

/* Reads what the directory of a policy of that role holds: family, parameters, size and digest. All files are read
 * once. ERR_BAD_FILE. */
int policy_folder_facts(const char *folder, enum policy_role role, struct policy_facts *ret, struct err *err);

/* ERR_BAD_FILE when the directory of a ready policy is not what it was when it became ready. All files are read. */
int policy_folder_check(const struct policy *policy, struct err *err);

/* The end of a job that made a policy: completes its recipe with the members of `recipe` (an object that is open yet;
 * the program is added) and publishes `written`, a whole checkpoint in the model folder's file system, as the policy;
 * the job is done then, and its own folder `work` goes. Waits for a database that is away. May be called again by a
 * later attempt, with `written` made anew. ERR_LEASE_LOST, ERR_NOT_FOUND (the policy was deleted), ERR_SYSTEM. */
int policy_folder_publish(struct reporter *reporter, struct buf *recipe, const char *written, const char *work,
                          struct err *err);

/* The end of a job whose policy's files are in place: as policy_publish, again while the database is away. */
int policy_folder_finish(struct reporter *reporter, const char *folder, const struct policy_facts *facts,
                         struct err *err);

/* Removes the folders of deleted policies that jobs of ours made. Returns how many; -1 when the database failed. What
 * cannot be removed stays for the next time. */
int policy_folder_discard(struct pg *pg, const char *model_folder, struct err *err);

#endif
