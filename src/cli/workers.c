#include "cli/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_WAIT_NS   100000000LL
#define LONGEST_WAIT_NS 5000000000LL
#define LONG_LIFE_NS    10000000000LL

/* In the child: a clean signal state, an end with the parent, and the program. */
static _Noreturn void become(char **argv, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent)
        execv("/proc/self/exe", argv);
    _exit(127);
}

static void start(struct workers *w, struct worker_process *p, struct err *event)
{
    pid_t parent = getpid(), pid = fork();
    int64_t now = clock_mono_ns();
    if (pid == 0)
        become(w->argv, parent);
    if (pid < 0) {
        err_errno(event, "cannot start a worker");
        p->next_start_ns = now + LONGEST_WAIT_NS;
        return;
    }
    p->pid = pid;
    p->started_ns = now;
}

static void note_end(struct worker_process *p, int status, struct err *event)
{
    int64_t now = clock_mono_ns();
    bool lived_long = now - p->started_ns > LONG_LIFE_NS;
    p->wait_ns = lived_long || p->wait_ns == 0 ? FIRST_WAIT_NS : 2 * p->wait_ns;
    if (p->wait_ns > LONGEST_WAIT_NS)
        p->wait_ns = LONGEST_WAIT_NS;
    p->next_start_ns = now + p->wait_ns;
    if (WIFSIGNALED(status))
        err_set(event, ERR_SYSTEM, "worker %d was ended by signal %d; it is started again in %lld ms", (int)p->pid,
                WTERMSIG(status), (long long)(p->wait_ns / 1000000));
    else
        err_set(event, ERR_SYSTEM, "worker %d ended with status %d; it is started again in %lld ms", (int)p->pid,
                WEXITSTATUS(status), (long long)(p->wait_ns / 1000000));
    p->pid = 0;
}

void workers_step(struct workers *w, struct err *event)
{
    *event = (struct err){0};
    for (int i = 0; i < w->count; i++) {
        struct worker_process *p = &w->process[i];
        int status;
        if (p->pid != 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
            note_end(p, status, event);
        if (p->pid == 0 && clock_mono_ns() >= p->next_start_ns)
            start(w, p, event);
    }
}

void workers_ask_to_end(struct workers *w)
{
    for (int i = 0; i < w->count; i++)
        if (w->process[i].pid != 0)
            kill(w->process[i].pid, SIGTERM);
}

/* How many are still there after reaping. */
static int reap(struct workers *w)
{
    int left = 0;
    for (int i = 0; i < w->count; i++) {
        struct worker_process *p = &w->process[i];
        if (p->pid != 0 && waitpid(p->pid, NULL, WNOHANG) != 0)
            p->pid = 0;
        left += p->pid != 0;
    }
    return left;
}

void workers_wait(struct workers *w, int ms)
{
    int64_t until = clock_mono_ns() + ms * 1000000LL;
    while (reap(w) > 0 && clock_mono_ns() < until)
        clock_sleep_ns(10000000);
    for (int i = 0; i < w->count; i++)
        if (w->process[i].pid != 0) {
            kill(w->process[i].pid, SIGKILL);
            waitpid(w->process[i].pid, NULL, 0);
            w->process[i].pid = 0;
        }
}
