#include "jobs/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the new process. Only what may be called between fork and exec in a program with one thread. */
static _Noreturn void become(pid_t parent, const char *const *arguments, const struct child_setting *settings)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* the worker died before the line above */
        _exit(CHILD_SPEECHLESS);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, 19);
    for (; settings->name; settings++)
        if (setenv(settings->name, settings->value, 1) < 0)
            _exit(CHILD_SPEECHLESS);
    execv("/proc/self/exe", (char *const *)arguments); /* exec does not change them */
    _exit(CHILD_SPEECHLESS);
}

int child_start(const char *const *arguments, const struct child_setting *settings, pid_t *ret, struct err *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, "fork");
    if (pid == 0)
        become(parent, arguments, settings);
    *ret = pid;
    return 0;
}

bool child_ended(pid_t pid, int *ret_status)
{
    pid_t got = waitpid(pid, ret_status, WNOHANG);
    if (got < 0 && errno == ECHILD) { /* somebody else reaped it: it is gone, and nobody knows how it ended */
        *ret_status = CHILD_SPEECHLESS << 8;
        return true;
    }
    return got == pid;
}

static const char *word(int code)
{
    switch (code) {
    case CHILD_DONE:
        return "done";
    case CHILD_FAILED:
        return "failed";
    case CHILD_RELEASED:
        return "given back";
    default:
        return "crashed";
    }
}

void child_describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "the process was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "the process ended with status %d (%s)", WEXITSTATUS(status), word(WEXITSTATUS(status)));
}
