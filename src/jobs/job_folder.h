/* job_folder: where a job keeps what the next attempt goes on from: MODEL_FOLDER/jobs/ID.
 *
 * A job that is done removes it. It stays when the job fails or is cancelled, for a retry goes on from it, until the
 * knob job_folder_hours has passed; then any worker that sees the folder removes it. Removing takes two steps: the
 * folder gets the name ID.removed while the job's row is held, so that a retry finds either all of it or nothing, and
 * is emptied afterwards. It refuses to touch what is not named by the id of a job of this database. No shared state. */
#ifndef EGALIGN_JOBS_JOB_FOLDER_H
#define EGALIGN_JOBS_JOB_FOLDER_H

#include "jobs/run.h"
#include "store/place.h"

struct pg;

/* Makes it, if need be. ERR_SYSTEM, ERR_CONFIG when the path is too long. */
int job_folder_make(const struct job_context *job, char ret[PLACE_PATH], struct err *err);

/* Removes the folders of jobs that failed or were cancelled more than `hours` ago (0: of none), and what is left of
 * those that are done. Returns how many; -1 when the database failed. What cannot be removed stays. */
int job_folder_discard(struct pg *pg, const char *model_folder, int hours, struct err *err);

#endif
