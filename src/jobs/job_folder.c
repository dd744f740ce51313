#include "jobs/job_folder.h"

#include <stdio.h>

#include "base/folder.h"

int job_folder_make(const struct job_context *job, char ret[PLACE_PATH], struct err *err)
{
    char name[UUID_TEXT_SIZE + 8], id[UUID_TEXT_SIZE];
    snprintf(name, sizeof name, "jobs/%s", uuid_format(&job->lease->job, id));
    return place_file(job->model_folder, name, ret, err) < 0 ? -1 : folder_make(ret, err);
}
