#include "store/postmaster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/place.h"

enum { STATUS_LINE = 8, LINE_SIZE = 1024 }; /* LOCK_FILE_LINE_PM_STATUS of PostgreSQL's pidfile.h */

/* Line `number` (from 1) of postmaster.pid, without its end; false when there is none. */
static bool read_line(const char *pg_dir, int number, char line[LINE_SIZE])
{
    char path[PLACE_PATH];
    if (place_file(pg_dir, "postmaster.pid", path, NULL) < 0)
        return false;
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool found = true;
    for (int i = 0; i < number && found; i++)
        found = fgets(line, LINE_SIZE, file) != NULL;
    fclose(file);
    if (found)
        line[strcspn(line, "\r\n")] = '\0';
    return found;
}

static pid_t read_pid(const char *pg_dir)
{
    char line[LINE_SIZE];
    return read_line(pg_dir, 1, line) ? (pid_t)labs(strtol(line, NULL, 10)) : 0;
}

/* What /proc/PID/`link` points to, made absolute; false when it cannot be read. */
static bool read_link(pid_t pid, const char *link, char target[PLACE_PATH])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, link);
    ssize_t n = readlink(path, target, PLACE_PATH - 1);
    target[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* A server changes into its data directory, so its program and folder tell whose it is. */
static bool is_server_of(const char *pg_dir, pid_t pid)
{
    char program[PLACE_PATH], folder[PLACE_PATH];
    if (!read_link(pid, "exe", program) || !read_link(pid, "cwd", folder))
        return false;
    const char *name = strrchr(program, '/');
    char *real = realpath(pg_dir, NULL);
    bool same = name && strncmp(name, "/postgres", 9) == 0 && real && strcmp(real, folder) == 0;
    free(real);
    return same;
}

enum postmaster_kind postmaster_kind(const char *pg_dir, pid_t *ret_pid)
{
    *ret_pid = read_pid(pg_dir);
    if (*ret_pid <= 1 || kill(*ret_pid, 0) < 0)
        return POSTMASTER_NONE;
    return is_server_of(pg_dir, *ret_pid) ? POSTMASTER_RUNNING : POSTMASTER_MISTAKEN;
}

bool postmaster_ready(const char *pg_dir, pid_t pid)
{
    char line[LINE_SIZE];
    return read_pid(pg_dir) == pid && read_line(pg_dir, STATUS_LINE, line) && strncmp(line, "ready", 5) == 0;
}
