#include "store/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit codes of a child that did not come to exec; the shell uses the last two in this way. */
enum { EXIT_NOT_DROPPED = 125, EXIT_NO_FILE = 126, EXIT_NO_PROGRAM = 127 };

static void become_user(const struct place *place)
{
    if (!place->drop)
        return;
    if (setgroups(1, &place->gid) < 0 || setgid(place->gid) < 0 || setuid(place->uid) < 0)
        _exit(EXIT_NOT_DROPPED);
}

static void reset_signals(void)
{
    static const int all[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1, SIGUSR2};
    sigset_t none;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        signal(all[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Standard input, output and error from what was given; every other descriptor is closed. */
static void set_descriptors(const struct process *what)
{
    int input = what->input >= 0 ? what->input : open("/dev/null", O_RDONLY);
    if (dup2(input, 0) < 0 || dup2(what->output, 1) < 0 || dup2(what->output, 2) < 0)
        _exit(EXIT_NO_FILE);
    if (close_range(3, ~0u, 0) < 0)
        for (int fd = 3; fd < 65536; fd++)
            close(fd);
}

static void write_file(const char *path, const char *text)
{
    size_t length = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length || close(fd) < 0)
        _exit(EXIT_NO_FILE);
}

static _Noreturn void child(const struct place *place, const struct process *what, char *const envp[], pid_t parent)
{
    setsid();
    become_user(place);
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGINT); /* cleared by setuid, so after it */
    if (getppid() != parent)         /* it died before the line above */
        _exit(EXIT_NOT_DROPPED);
    set_descriptors(what);
    if (chdir("/") < 0)
        _exit(EXIT_NO_FILE);
    for (int i = 0; i < PROCESS_FILES && what->files[i].path; i++)
        write_file(what->files[i].path, what->files[i].text);
    umask(077);
    execve(what->argv[0], (char *const *)what->argv, envp);
    _exit(EXIT_NO_PROGRAM);
}

int process_start(const struct place *place, const struct process *what, pid_t *ret_pid, struct err *err)
{
    char path[PLACE_PATH + 32], grandparent[48];
    snprintf(path, sizeof path, "PATH=%s:/usr/bin:/bin", place->bin_dir);
    snprintf(grandparent, sizeof grandparent, "PG_GRANDPARENT_PID=%ld", (long)what->grandparent);
    char locale[] = "LC_ALL=C.UTF-8", zone[] = "TZ=UTC";
    char *const envp[] = {path, locale, zone, what->grandparent > 0 ? grandparent : NULL, NULL};
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_errno(err, "fork");
    if (pid == 0)
        child(place, what, envp, parent);
    *ret_pid = pid;
    return 0;
}

int process_run(const struct place *place, const struct process *what, struct err *err)
{
    pid_t pid;
    int status;
    if (process_start(place, what, &pid, err) < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "waitpid for %s", what->argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return err_set(err, ERR_SYSTEM, "%s ended with exit status %d", what->argv[0], WEXITSTATUS(status));
    return err_set(err, ERR_SYSTEM, "%s ended by signal %d", what->argv[0], WTERMSIG(status));
}
