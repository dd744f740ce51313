#include "jobs/worker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "jobs/job_folder.h"
#include "jobs/policy_folder.h"
#include "store/fit.h"
#include "store/job.h"
#include "store/pg.h"

#define SECOND INT64_C(1000000000)

enum { LOST_GRACE_SECONDS = 2, SETTLE_SECONDS = 5, WORKER_NAME_SIZE = 128 };
enum { BACKOFF_LEAST_MS = 100, BACKOFF_MOST_MS = 5000 };

/* Why the child is being ended; what is written about the job when it is gone. */
enum ending { ENDING_NONE, ENDING_CANCEL, ENDING_STOP, ENDING_LOST };

struct worker {
    const struct worker_options *options;
    char name[WORKER_NAME_SIZE]; /* host:pid */
    int signals;                 /* signalfd */
    bool stop;                   /* told to stop */
    bool look;                   /* something happened in the queue */

    struct pg *pg; /* NULL while there is none; also hears the notifications */
    int backoff_ms;
    int64_t connect_at;

    struct job_lease lease; /* of the job in hand: has_job */
    bool has_job;
    pid_t child;     /* 0 when there is none (any more) */
    int status;      /* of the child that has ended, until that is written (has_job and no child) */
    enum ending ending;
    int64_t beat_at; /* when to send the next heartbeat, or to try to settle */
    int64_t kill_at; /* when SIGKILL follows; 0: not at all */
    int64_t look_at, chores_at;
    int64_t give_up_at; /* a worker that was told to stop waits no longer for the database */
};

/* ---- the database ---- */

static void database_lost(struct worker *w, const struct err *e)
{
    if (w->backoff_ms == 0)
        log_err(LOG_WARNING, "worker_database_lost", e);
    pg_close(w->pg);
    w->pg = NULL;
    w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_LEAST_MS;
    if (w->backoff_ms > BACKOFF_MOST_MS)
        w->backoff_ms = BACKOFF_MOST_MS;
    int64_t jitter = clock_mono_ns() % (w->backoff_ms * INT64_C(250000));
    w->connect_at = clock_mono_ns() + w->backoff_ms * INT64_C(1000000) + jitter;
}

/* Connects when it is time to. False when there is no database now. */
static bool database(struct worker *w)
{
    struct err e = {0};
    int64_t deadline = pg_deadline(w->options->deadline_ms);
    if (w->pg) {
        pg_set_deadline(w->pg, deadline);
        return true;
    }
    if (clock_mono_ns() < w->connect_at)
        return false;
    struct pg_options options = {.conninfo = w->options->conninfo, .application = "egalign work",
                                 .statement_timeout_ms = w->options->deadline_ms};
    if (pg_open(&options, deadline, &w->pg, &e) < 0 || pg_script(w->pg, "LISTEN egalign_job", &e) < 0) {
        database_lost(w, &e);
        return false;
    }
    if (w->backoff_ms)
        log_event(LOG_INFO, "worker_database_back", "the database answers again");
    w->backoff_ms = 0;
    w->look = true;
    w->chores_at = 0;
    return true;
}

/* After a failed operation: the connection is given up when it is of no more use. */
static void database_failed(struct worker *w, const char *event, const struct err *e)
{
    if (!pg_alive(w->pg) || e->code == ERR_DATABASE_DOWN)
        database_lost(w, e);
    else
        log_err(LOG_ERROR, event, e);
}

static void heard(const char *channel, const char *payload, void *context)
{
    struct worker *w = context;
    char mine[UUID_TEXT_SIZE];
    (void)channel;
    w->look = true;
    if (w->has_job && w->ending != ENDING_LOST && strcmp(payload, uuid_format(&w->lease.job, mine)) == 0)
        w->beat_at = 0; /* perhaps its end was asked for */
}

/* ---- the child ---- */

static void end_child(struct worker *w, enum ending ending, int signal)
{
    if (w->ending == ENDING_NONE)
        w->ending = ending;
    if (w->kill_at == 0)
        w->kill_at = clock_mono_ns() + w->options->stop_seconds * SECOND;
    if (w->child)
        kill(w->child, signal);
}

static void start_child(struct worker *w)
{
    char job[UUID_TEXT_SIZE], token[UUID_TEXT_SIZE];
    struct err e = {0};
    const char *arguments[] = {"egalign", "run-job", uuid_format(&w->lease.job, job),
                               uuid_format(&w->lease.token, token), NULL};
    w->has_job = true;
    w->ending = ENDING_NONE;
    w->kill_at = 0;
    w->beat_at = clock_mono_ns() + w->options->lease_seconds * SECOND / 3;
    if (child_start(arguments, w->options->settings, &w->child, &e) < 0) {
        log_err(LOG_ERROR, "worker_child", &e);
        w->child = 0;
        w->beat_at = 0;
        w->status = CHILD_SPEECHLESS << 8;
    }
    log_event(LOG_INFO, "job_started", "%s %s of %s, attempt %d, process %d", w->lease.kind, job,
              w->lease.project_name, w->lease.attempt, (int)w->child);
}

/* The job is out of hand. */
static void let_go(struct worker *w, const char *what)
{
    char job[UUID_TEXT_SIZE];
    log_event(LOG_INFO, "job_ended", "%s %s of %s: %s", w->lease.kind, uuid_format(&w->lease.job, job),
              w->lease.project_name, what);
    w->has_job = false;
    w->look = true;
}

/* The child has written itself how its job ended. */
static bool told_by_child(const struct worker *w)
{
    int code = WIFEXITED(w->status) ? WEXITSTATUS(w->status) : -1;
    return code == CHILD_DONE || code == CHILD_FAILED || code == CHILD_RELEASED;
}

/* Writes how the job that was in hand has ended. */
static int write_ending(struct worker *w, struct err *err)
{
    char reason[120];
    child_describe(w->status, reason, sizeof reason);
    if (w->ending == ENDING_CANCEL)
        return job_end(w->pg, &w->lease, JOB_CANCELLED, NULL, "cancelled", err);
    if (w->ending == ENDING_STOP)
        return job_release(w->pg, &w->lease, ERR_OK, w->options->attempts, "the worker was told to stop", err);
    return job_release(w->pg, &w->lease, ERR_LEASE_LOST, w->options->attempts, reason, err);
}

static void count_ending(const struct worker *w)
{
    if (!WIFEXITED(w->status))
        return;
    if (WEXITSTATUS(w->status) == CHILD_DONE)
        metric_add(METRIC_JOBS_FINISHED, 1);
    if (WEXITSTATUS(w->status) == CHILD_FAILED)
        metric_add(METRIC_JOBS_FAILED, 1);
}

/* After the child's end: tries to settle the job; again with the next turn when the database is away. */
static void settle(struct worker *w)
{
    static const char *const words[] = {
        [ENDING_NONE] = "",
        [ENDING_CANCEL] = "cancelled: ",
        [ENDING_STOP] = "stopped: ",
        [ENDING_LOST] = "lease lost: ",
    };
    struct err e = {0};
    char how[120], what[160];
    bool to_write = !told_by_child(w) && w->ending != ENDING_LOST;
    w->beat_at = clock_mono_ns() + SECOND;
    if (to_write && !database(w))
        return;
    if (to_write && write_ending(w, &e) < 0 && e.code != ERR_LEASE_LOST) {
        database_failed(w, "job_settle", &e);
        return;
    }
    child_describe(w->status, how, sizeof how);
    snprintf(what, sizeof what, "%s%s", told_by_child(w) ? "" : words[w->ending], how);
    count_ending(w);
    let_go(w, what);
}

static void watch_child(struct worker *w)
{
    if (!w->child)
        return;
    if (child_ended(w->child, &w->status)) {
        w->child = 0;
        w->beat_at = 0; /* settle at once */
    } else if (w->kill_at && clock_mono_ns() >= w->kill_at) {
        kill(w->child, SIGKILL);
    }
}

static void beat(struct worker *w)
{
    struct err e = {0};
    bool cancel = false;
    if (!database(w))
        return;
    w->beat_at = clock_mono_ns() + w->options->lease_seconds * SECOND / 3;
    if (job_heartbeat(w->pg, &w->lease, w->options->lease_seconds, &cancel, &e) == 0) {
        if (cancel)
            end_child(w, ENDING_CANCEL, SIGTERM);
        return;
    }
    w->beat_at = clock_mono_ns() + SECOND;
    if (e.code != ERR_LEASE_LOST) {
        database_failed(w, "job_heartbeat", &e);
        return;
    }
    /* A child that has just ended its job has let the lease go by itself and is about to exit: so no signal at once. */
    w->ending = ENDING_LOST;
    w->beat_at = INT64_MAX;
    w->kill_at = clock_mono_ns() + LOST_GRACE_SECONDS * SECOND;
}

/* ---- the queue ---- */

static void claim(struct worker *w)
{
    struct err e = {0};
    w->look = false;
    w->look_at = clock_mono_ns() + w->options->poll_seconds * SECOND;
    if (!database(w))
        return;
    int got = job_claim(w->pg, w->name, w->options->lease_seconds, &w->lease, &e);
    if (got > 0)
        start_child(w);
    else if (got < 0)
        database_failed(w, "job_claim", &e);
}

/* Removes files that nobody will ask for. */
static int tidy(struct worker *w, struct err *err)
{
    const struct worker_options *o = w->options;
    int policies = policy_folder_discard(w->pg, o->model_folder, err);
    int jobs = policies < 0 ? -1 : job_folder_discard(w->pg, o->model_folder, o->folder_hours, err);
    if (policies > 0)
        log_event(LOG_INFO, "policies_removed", "the files of %d deleted policies were removed", policies);
    if (jobs > 0)
        log_event(LOG_INFO, "job_folders_removed", "the folders of %d jobs that ended long ago were removed", jobs);
    return jobs < 0 ? -1 : 0;
}

static void chores(struct worker *w)
{
    struct err e = {0};
    int failed = 0;
    w->chores_at = clock_mono_ns() + w->options->poll_seconds * SECOND;
    if (!database(w))
        return;
    w->chores_at = clock_mono_ns() + w->options->poll_seconds * SECOND;
    int freed = job_recover(w->pg, w->options->attempts, &failed, &e);
    if (freed > 0)
        log_event(LOG_WARNING, "jobs_recovered", "%d jobs of silent workers freed, %d of them failed for good", freed,
                  failed);
    metric_add(METRIC_JOBS_FAILED, failed);
    int asked = freed < 0 ? -1 : fit_schedule(w->pg, &e);
    if (asked > 0)
        log_event(LOG_INFO, "fits_scheduled", "%d fits asked for", asked);
    if (asked < 0 || tidy(w, &e) < 0)
        database_failed(w, "worker_chores", &e);
}

/* ---- the loop ---- */

static void take_signals(struct worker *w)
{
    struct signalfd_siginfo signal;
    while (read(w->signals, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGCHLD)
            continue; /* watch_child looks at every turn */
        w->stop = true;
        w->give_up_at = clock_mono_ns() + (w->options->stop_seconds + SETTLE_SECONDS) * SECOND;
        if (w->child)
            end_child(w, ENDING_STOP, SIGTERM);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something is to be done if nothing happens before. */
static int64_t next_turn(const struct worker *w)
{
    int64_t at = w->stop ? INT64_MAX : w->chores_at;
    if (w->has_job)
        at = earlier(at, w->beat_at);
    else if (!w->stop)
        at = earlier(at, w->look ? 0 : w->look_at);
    if (w->child && w->kill_at)
        at = earlier(at, w->kill_at > clock_mono_ns() ? w->kill_at : clock_mono_ns() + SECOND / 10);
    if (!w->pg && at < w->connect_at)
        at = w->child && w->kill_at ? earlier(w->connect_at, w->kill_at) : w->connect_at;
    return at;
}

static void wait_turn(struct worker *w)
{
    struct err e = {0};
    if (w->pg && pg_notifications(w->pg, heard, w, &e) < 0)
        database_lost(w, &e);
    struct pollfd fds[2] = {
        {.fd = w->signals, .events = POLLIN},
        {.fd = w->pg ? pg_socket(w->pg) : -1, .events = POLLIN},
    };
    int64_t wait_ms = (next_turn(w) - clock_mono_ns()) / 1000000 + 1;
    if (wait_ms > 60000)
        wait_ms = 60000;
    poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0);
    take_signals(w);
    if (w->pg && fds[1].revents && pg_notifications(w->pg, heard, w, &e) < 0)
        database_lost(w, &e);
}

static bool over(const struct worker *w)
{
    return w->stop && (!w->has_job || (!w->child && clock_mono_ns() > w->give_up_at));
}

static void loop(struct worker *w)
{
    while (!over(w)) {
        wait_turn(w);
        int64_t now = clock_mono_ns();
        watch_child(w);
        if (now >= w->beat_at && w->child)
            beat(w);
        else if (now >= w->beat_at && w->has_job)
            settle(w);
        if (now >= w->chores_at && !w->stop)
            chores(w);
        if (!w->has_job && !w->stop && (w->look || now >= w->look_at))
            claim(w);
    }
}

static int take_over_signals(int *ret_fd, struct err *err)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
        return err_errno(err, "sigprocmask");
    *ret_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    return *ret_fd < 0 ? err_errno(err, "signalfd") : 0;
}

int worker_run(const struct worker_options *options, struct err *err)
{
    struct worker w = {.options = options, .signals = -1, .look = true};
    char host[100] = "localhost";
    gethostname(host, sizeof host - 1);
    snprintf(w.name, sizeof w.name, "%s:%d", host, (int)getpid());
    if (take_over_signals(&w.signals, err) < 0)
        return -1;
    log_event(LOG_INFO, "worker_started", "worker %s", w.name);
    loop(&w);
    if (w.has_job)
        log_event(LOG_WARNING, "worker_unsettled", "the database is away; the job is freed when its lease has run out");
    log_event(LOG_INFO, "worker_stopped", "worker %s: %lld jobs done, %lld failed", w.name,
              (long long)metric_value(METRIC_JOBS_FINISHED), (long long)metric_value(METRIC_JOBS_FAILED));
    pg_close(w.pg);
    close(w.signals);
    return 0;
}
