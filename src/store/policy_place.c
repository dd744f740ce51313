#include "store/policy_place.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* More than any model directory has, and little enough to be looked at while somebody waits. */
enum { DEPTH_MOST = 8, ENTRIES_MOST = 10000 };

static int refuse(struct err *err, const char *pointer, const char *folder, const char *why)
{
    return err_at(err, ERR_INVALID_VALUE, pointer, "%.200s: %s", folder, why);
}

static bool lies_in(const char *path, const char *root)
{
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Whether the real path lies in the folder `root`[0 .. length), links followed there too. */
static bool lies_in_real(const char *path, const char *root, size_t length)
{
    char name[PATH_MAX], real[PATH_MAX];
    if (length == 0 || length >= sizeof name || root[0] != '/')
        return false;
    memcpy(name, root, length);
    name[length] = '\0';
    return realpath(name, real) && strcmp(real, "/") != 0 && lies_in(path, real);
}

/* ---- folders that may be read ---- */

/* What is looked at, and how much of it has been. */
struct place_rules {
    const char *model_folder, *policy_folders;
    const char *pointer; /* for errors */
    int entries;
};

static bool allowed(const struct place_rules *r, const char *path)
{
    if (lies_in_real(path, r->model_folder, strlen(r->model_folder)))
        return true;
    for (const char *at = r->policy_folders; *at;) {
        size_t length = strcspn(at, ":");
        if (lies_in_real(path, at, length))
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* Whether the service itself keeps it. */
static bool own(const struct place_rules *r, const char *path)
{
    static const char *const parts[] = {"policies", "jobs"};
    char part[PATH_MAX];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int n = snprintf(part, sizeof part, "%s/%s", r->model_folder, parts[i]);
        if (n < (int)sizeof part && lies_in_real(path, part, (size_t)n))
            return true;
    }
    return false;
}

/* ---- all that is in a folder ---- */

/* A folder and those above it, as they are walked through; on the stack. */
struct above {
    const struct above *up;
    dev_t device;
    ino_t number;
};

static bool is_above(const struct above *above, const struct stat *status)
{
    for (; above; above = above->up)
        if (above->device == status->st_dev && above->number == status->st_ino)
            return true;
    return false;
}

static int check_files(struct place_rules *r, const char *folder, const struct above *above, int depth,
                       struct err *err);

/* One entry of a folder: what it leads to must lie in a folder that may be read, and so must all in that. */
static int check_entry(struct place_rules *r, const char *name, const struct above *above, int depth, struct err *err)
{
    char real[PATH_MAX];
    struct stat status;
    if (++r->entries > ENTRIES_MOST)
        return refuse(err, r->pointer, name, "there are more files around it than a model has");
    if (!realpath(name, real) || stat(real, &status) < 0)
        return refuse(err, r->pointer, name, "a link that leads nowhere");
    if (!allowed(r, real) || own(r, real))
        return refuse(err, r->pointer, name, "a link that leads out of the folders where policies may lie");
    if (S_ISREG(status.st_mode))
        return 0;
    if (!S_ISDIR(status.st_mode))
        return refuse(err, r->pointer, name, "it is neither a file nor a folder");
    if (is_above(above, &status))
        return refuse(err, r->pointer, name, "a link that leads to a folder that it lies in");
    if (depth == DEPTH_MOST)
        return refuse(err, r->pointer, name, "folders are nested deeper than a model has them");
    struct above here = {above, status.st_dev, status.st_ino};
    return check_files(r, real, &here, depth + 1, err);
}

static int check_files(struct place_rules *r, const char *folder, const struct above *above, int depth, struct err *err)
{
    char name[PATH_MAX];
    int result = 0;
    DIR *files = opendir(folder);
    if (!files)
        return refuse(err, r->pointer, folder, strerror(errno));
    for (struct dirent *file; result == 0 && (file = readdir(files)) != NULL;) {
        if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(name, sizeof name, "%s/%s", folder, file->d_name) >= sizeof name)
            result = refuse(err, r->pointer, folder, "the path of a file in it is too long");
        else
            result = check_entry(r, name, above, depth, err);
    }
    closedir(files);
    return result;
}

static int check_config(const char *folder, const char *pointer, struct err *err)
{
    char name[PATH_MAX + 16];
    struct stat status;
    snprintf(name, sizeof name, "%s/config.json", folder);
    if (stat(name, &status) < 0 || !S_ISREG(status.st_mode))
        return refuse(err, pointer, folder, "there is no config.json in it, so it is no Hugging Face model directory");
    return 0;
}

/* What the name stands for, if it may be read. */
static int resolve(const struct place_rules *r, const char *name, char ret[PLACE_PATH], struct stat *ret_status,
                   struct err *err)
{
    char real[PATH_MAX];
    if (name[0] != '/')
        return refuse(err, r->pointer, name, "the path must be absolute");
    if (!realpath(name, real) || stat(real, ret_status) < 0)
        return refuse(err, r->pointer, name, strerror(errno));
    if (!allowed(r, real))
        return refuse(err, r->pointer, name, "it lies neither in model_folder nor in one of policy_folders");
    if (own(r, real))
        return refuse(err, r->pointer, name, "the service keeps policies and jobs of its own there; copy it elsewhere");
    if (strlen(real) >= PLACE_PATH)
        return refuse(err, r->pointer, name, "the path is too long");
    strcpy(ret, real);
    return 0;
}

int policy_place_check(const char *model_folder, const char *policy_folders, const char *folder, const char *pointer,
                       char ret[PLACE_PATH], struct err *err)
{
    struct place_rules r = {model_folder, policy_folders, pointer, 0};
    struct stat status;
    if (resolve(&r, folder, ret, &status, err) < 0)
        return -1;
    if (!S_ISDIR(status.st_mode))
        return refuse(err, pointer, folder, "it is no folder");
    if (check_config(ret, pointer, err) < 0)
        return -1;
    return check_files(&r, ret, &(struct above){NULL, status.st_dev, status.st_ino}, 0, err);
}

int policy_place_file(const char *model_folder, const char *policy_folders, const char *file, const char *pointer,
                      char ret[PLACE_PATH], struct err *err)
{
    struct place_rules r = {model_folder, policy_folders, pointer, 0};
    struct stat status;
    if (resolve(&r, file, ret, &status, err) < 0)
        return -1;
    return S_ISREG(status.st_mode) ? 0 : refuse(err, pointer, file, "it is no file");
}

int policy_place_own(const char *model_folder, const struct uuid *policy, char ret[PLACE_PATH], struct err *err)
{
    char text[UUID_TEXT_SIZE], name[UUID_TEXT_SIZE + 16];
    snprintf(name, sizeof name, "policies/%s", uuid_format(policy, text));
    return place_file(model_folder, name, ret, err);
}
