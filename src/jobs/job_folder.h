/* job_folder: where a job keeps what the next attempt goes on from: MODEL_FOLDER/jobs/ID.
 *
 * It stays when the job fails or is cancelled, for a retry goes on from it; a job that is done removes it. No shared
 * state. */
#ifndef EGALIGN_JOBS_JOB_FOLDER_H
#define EGALIGN_JOBS_JOB_FOLDER_H

#include "jobs/run.h"
#include "store/place.h"

/* Makes it, if need be. ERR_SYSTEM, ERR_CONFIG when the path is too long. */
int job_folder_make(const struct job_context *job, char ret[PLACE_PATH], struct err *err);

#endif
