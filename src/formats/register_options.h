/* register_options: the options of a register job, which takes a checkpoint directory as a policy.
 *
 * One table for the body of POST .../policies and for the options of the job. It refuses to look at the folder: whether
 * it may be registered is store/policy_place.h, whether it is a model is found by the job. Owned by the caller. */
#ifndef EGALIGN_FORMATS_REGISTER_OPTIONS_H
#define EGALIGN_FORMATS_REGISTER_OPTIONS_H

#include "base/json.h"

struct register_options {
    struct json_seen seen;
    struct str name, folder; /* of the policy; of its checkpoint, absolute */
    struct str parent;       /* name or id of a policy; ptr NULL when there is none */
    struct str recipe;       /* JSON text of an object; ptr NULL when not given */
};

/* Bits of seen.given. */
enum { REGISTER_NAME, REGISTER_FOLDER, REGISTER_PARENT, REGISTER_RECIPE };

extern const struct json_shape register_options_shape;

#endif
