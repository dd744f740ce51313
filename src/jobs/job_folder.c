#include "jobs/job_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/folder.h"
#include "base/mem.h"
#include "store/transaction.h"

#define REMOVED ".removed"

enum { NAME_SIZE = UUID_TEXT_SIZE + 16 };

/* `removed`: the name that it has on its way out. */
static int find(const char *model_folder, const struct uuid *job, bool removed, char ret[PLACE_PATH], struct err *err)
{
    char name[NAME_SIZE], id[UUID_TEXT_SIZE];
    snprintf(name, sizeof name, "jobs/%s%s", uuid_format(job, id), removed ? REMOVED : "");
    return place_file(model_folder, name, ret, err);
}

int job_folder_make(const struct job_context *job, char ret[PLACE_PATH], struct err *err)
{
    return find(job->model_folder, &job->lease->job, false, ret, err) < 0 ? -1 : folder_make(ret, err);
}

/* ---- removing ---- */

struct ids {
    struct uuid *id;
    int count, room;
};

static int keep(struct ids *list, const struct uuid *id, struct err *err)
{
    if (mem_grow(&list->id, list->count, &list->room, sizeof *list->id, err) < 0)
        return -1;
    list->id[list->count++] = *id;
    return 0;
}

/* The jobs that have a folder, and those whose folder is on its way out. */
static int list_folders(const char *model_folder, struct ids *there, struct ids *leaving, struct err *err)
{
    char path[PLACE_PATH];
    int result = place_file(model_folder, "jobs", path, err);
    DIR *folders = result == 0 ? opendir(path) : NULL;
    for (struct dirent *entry; folders && result == 0 && (entry = readdir(folders)) != NULL;) {
        struct str name = str_of(entry->d_name);
        struct uuid id;
        bool removed = name.len > UUID_TEXT_SIZE - 1 && strcmp(name.ptr + UUID_TEXT_SIZE - 1, REMOVED) == 0;
        if (uuid_parse((struct str){name.ptr, removed ? UUID_TEXT_SIZE - 1 : name.len}, &id))
            result = keep(removed ? leaving : there, &id, err);
    }
    if (folders)
        closedir(folders);
    return result;
}

struct discarding {
    const char *model_folder;
    const struct ids *there;
    int hours;
    struct uuid job; /* whose folder went */
    bool found;
};

/* Takes one folder out of the way of attempts to come, in the transaction that holds its job. */
static int take_away(struct pg *pg, void *context, struct err *err)
{
    struct discarding *d = context;
    char own[PLACE_PATH], removed[PLACE_PATH];
    int due = job_folder_due(pg, d->there->id, (size_t)d->there->count, d->hours, &d->job, err);
    d->found = due > 0;
    if (due <= 0)
        return due;
    if (find(d->model_folder, &d->job, false, own, err) < 0 || find(d->model_folder, &d->job, true, removed, err) < 0)
        return -1;
    return rename(own, removed) == 0 ? 0 : err_errno(err, "cannot rename %s", own);
}

/* A folder that cannot be renamed now must not keep the others. */
static void forget(struct ids *list, const struct uuid *id)
{
    int kept = 0;
    for (int i = 0; i < list->count; i++)
        if (memcmp(&list->id[i], id, sizeof *id) != 0)
            list->id[kept++] = list->id[i];
    list->count = kept;
}

int job_folder_discard(struct pg *pg, const char *model_folder, int hours, struct err *err)
{
    struct ids there = {0}, leaving = {0};
    struct discarding d = {.model_folder = model_folder, .there = &there, .hours = hours, .found = true};
    int result = list_folders(model_folder, &there, &leaving, err), removed = 0;
    while (result == 0 && d.found && there.count > 0) {
        d.found = false;
        result = transaction_on(pg, TRANSACTION_WRITE, take_away, &d, err);
        if (result == 0 && d.found) {
            result = keep(&leaving, &d.job, err);
            removed++;
        } else if (result < 0 && d.found && err->code == ERR_SYSTEM) {
            result = 0;
        }
        forget(&there, &d.job);
    }
    for (int i = 0; i < leaving.count; i++) {
        char path[PLACE_PATH];
        if (find(model_folder, &leaving.id[i], true, path, NULL) == 0)
            folder_remove(path, NULL);
    }
    mem_free(there.id);
    mem_free(leaving.id);
    return result < 0 ? -1 : removed;
}
