/* policy_place: which directories of the machine may become policies.
 *
 * A folder must lie, with every symbolic link followed, in the knob model_folder or in one of policy_folders, and so
 * must all that is in it, in the folders in it and in those that links lead to: else whoever may register policies
 * could have any file of the machine read. What the service keeps by itself (policies/ and jobs/ in the model folder)
 * is left out: its files come and go with their policies. Anything but files and folders is refused (to open a pipe is
 * to wait), and so are links that go round in a circle, folders more than 8 deep, and more than 10,000 entries in all.
 *
 * It refuses to judge whether a folder holds a model. Asked when a policy is registered, and again by the job, for a
 * link may have changed. No shared state. */
#ifndef EGALIGN_STORE_POLICY_PLACE_H
#define EGALIGN_STORE_POLICY_PLACE_H

#include "base/err.h"
#include "base/uuid.h"
#include "store/place.h"

/* Checks `folder` and writes its path without symbolic links into `ret`. `policy_folders`: absolute paths with ':'
 * between them, or "". ERR_INVALID_VALUE with `pointer` says what is wrong. */
int policy_place_check(const char *model_folder, const char *policy_folders, const char *folder, const char *pointer,
                       char ret[PLACE_PATH], struct err *err);

/* The same for a file that training may read; files of the service's own are left out. */
int policy_place_file(const char *model_folder, const char *policy_folders, const char *file, const char *pointer,
                      char ret[PLACE_PATH], struct err *err);

/* The folder of a policy that a job of ours makes: MODEL_FOLDER/policies/ID. ERR_CONFIG when the path is too long. */
int policy_place_own(const char *model_folder, const struct uuid *policy, char ret[PLACE_PATH], struct err *err);

#endif
