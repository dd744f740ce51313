#include "api/projects.h"
#include "api/resource/resource.h"
#include "store/fit_read.h"

struct group_patch {
    struct json_seen seen;
    struct str name;
};

static const struct json_field fields[] = {
    JSON_FIELD(STR, struct group_patch, name, "name", .flags = JSON_REQUIRED, .most = 200,
               .about = "A name for people; empty takes it away.", .example = "\"Short and plain\""),
};

const struct json_shape group_patch_shape = JSON_SHAPE(struct group_patch, fields, "GroupName", "The name of a group.");

int on_groups_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    return answer_json(r, group_list(r->api->pool, &r->project, &body, err), 200, &body);
}

int on_group_get(struct request *r, struct err *err)
{
    return answer_one(r, "group", 200, group_get, err);
}

int on_group_patch(struct request *r, struct err *err)
{
    const struct group_patch *patch = r->input;
    struct str name = patch->name.ptr ? patch->name : STR_LITERAL("");
    struct buf body = {0};
    struct uuid group;
    if (request_uuid(r, "group", &group, err) < 0)
        return -1;
    int status = group_rename(r->api->pool, &r->project, &group, name, &body, err);
    if (status == 0)
        projects_drop_win_rates(r->api->projects, &r->project);
    return answer_json(r, status, 200, &body);
}

int on_memberships_get(struct request *r, struct err *err)
{
    return answer_list(r, membership_list, err);
}
