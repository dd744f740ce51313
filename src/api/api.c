#include "api/api.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/daemon.h"
#include "api/follow.h"
#include "api/http.h"
#include "api/openapi.h"
#include "api/projects.h"
#include "api/published.h"
#include "api/send.h"
#include "api/upkeep.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/ingest.h"
#include "store/store.h"

enum { WAITING_REQUESTS = 1024, BATCH_THREADS = 2 };

/* The folder of the pages: the knob's; or the installed one, or that of the build tree, beside the program. */
static char *find_web_dir(const struct config *config)
{
    static const char *const beside[] = {"/../share/egalign/web", "/../../web"};
    if (*config->web_dir)
        return mem_strdup(config->web_dir);
    char program[3072], path[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        snprintf(path, sizeof path, "%s%s/index.html", program, beside[i]);
        if (access(path, R_OK) != 0)
            continue;
        *strrchr(path, '/') = '\0';
        return mem_strdup(path);
    }
    return NULL;
}

static int make_openapi(struct api *api, struct err *err)
{
    struct buf text = {0};
    openapi_render(&text, api->config);
    if (!text.failed)
        api->openapi = document_new((struct str){text.data, text.length}, "");
    buf_free(&text);
    return api->openapi ? 0 : err_memory(err);
}

static int make_timeout_answer(struct api *api, struct err *err)
{
    struct err late;
    err_set(&late, ERR_TIMED_OUT, "the body did not arrive in time");
    send_render_problem(&api->timeout_answer, &late, "");
    buf_char(&api->timeout_answer, '\0');
    return api->timeout_answer.failed ? err_memory(err) : 0;
}

static int make_memory(struct api *api, struct err *err)
{
    api->tokens = tokens_new(api->config->rate_limit_per_minute);
    api->projects = projects_new();
    api->published = published_new();
    api->web_dir = find_web_dir(api->config);
    if (!api->tokens || !api->projects || !api->published)
        return err_memory(err);
    return make_openapi(api, err) < 0 ? -1 : make_timeout_answer(api, err);
}

static int make_store(struct api *api, const char *conninfo, struct err *err)
{
    const struct config *c = api->config;
    struct ingest_options options = {.conninfo = conninfo,
                                     .writers = (int)c->ingest_writers,
                                     .group_rows = (int)c->ingest_group_rows,
                                     .queue_rows = (int)c->ingest_queue_rows,
                                     .deadline_ms = (int)c->database_deadline_ms};
    if (store_pool(c, conninfo, "egalign api", &api->pool, err) < 0)
        return -1;
    return ingest_start(&options, &api->ingest, err);
}

static int make_threads(struct api *api, struct err *err)
{
    api->reaper = reaper_new(err);
    if (!api->reaper)
        return -1;
    api->readers = executor_new((int)api->config->database_pool, WAITING_REQUESTS, err);
    if (!api->readers)
        return -1;
    api->batchers = executor_new(BATCH_THREADS, (int)api->config->max_connections, err);
    if (!api->batchers)
        return -1;
    api->followers = followers_new(api->pool, err);
    return api->followers ? 0 : -1;
}

int api_start(const struct config *config, const char *conninfo, struct api **ret, struct err *err)
{
    struct api *api = mem_zeroed(1, sizeof *api);
    if (!api)
        return err_memory(err);
    json_object_seed(0);
    api->config = config;
    api->listen_fd = -1;
    if (make_memory(api, err) < 0 || make_store(api, conninfo, err) < 0 || make_threads(api, err) < 0 ||
        http_start(api, err) < 0 || upkeep_start(api, conninfo, &api->upkeep, err) < 0) {
        api_stop(api, 0);
        return -1;
    }
    *ret = api;
    return 0;
}

int api_port(const struct api *api)
{
    return api->port;
}

bool api_ready(const struct api *api)
{
    return atomic_load(&api->database_up) && tokens_ready(api->tokens) && !atomic_load(&api->draining);
}

bool api_hopeless(struct api *api, struct err *ret)
{
    return upkeep_hopeless(api->upkeep, ret);
}

void api_database_is_up(struct api *api)
{
    pool_retry_now(api->pool);
    upkeep_hurry(api->upkeep);
}

/* Lets the requests that were begun come to their answers. */
static void drain(struct api *api, int seconds)
{
    int64_t until = clock_mono_ns() + seconds * 1000000000LL;
    atomic_store(&api->draining, true);
    http_quiesce(api);
    followers_stop(api->followers);
    while (atomic_load(&api->active) > 0 && clock_mono_ns() < until)
        clock_sleep_ns(20000000);
    /* Suspended connections must be awake before the library stops: what waits for the database is answered by its
     * deadline, at the latest. */
    executor_free(api->readers);
    executor_free(api->batchers);
    api->readers = api->batchers = NULL;
    ingest_stop(api->ingest);
}

void api_stop(struct api *api, int seconds)
{
    if (!api)
        return;
    if (api->daemon) {
        drain(api, seconds);
        http_stop(api);
    }
    upkeep_stop(api->upkeep);
    executor_free(api->readers);
    executor_free(api->batchers);
    followers_free(api->followers);
    reaper_free(api->reaper);
    ingest_free(api->ingest);
    pool_free(api->pool);
    projects_free(api->projects);
    published_free(api->published);
    tokens_free(api->tokens);
    document_drop(api->openapi);
    buf_free(&api->timeout_answer);
    mem_free(api->web_dir);
    mem_free(api);
}
