#include "api/http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

/* The library clears a connection's memory after every request: more of it costs each one. */
/* The library clears all of a connection's memory after each request, so this is also a cost of every poll. It bounds
 * the header section. */
enum { BACKLOG = 1024, CONNECTION_MEMORY = 16 * 1024, LOG_LINES_A_SECOND = 5 };

/* The library prints a line for each connection that a hostile client breaks: a few a second are enough. */
static void library_log(void *context, const char *format, va_list args)
{
    (void)context;
    static atomic_llong second;
    static atomic_int lines;
    long long now = clock_mono_ns() / 1000000000;
    if (atomic_exchange(&second, now) != now)
        atomic_store(&lines, 0);
    if (atomic_fetch_add(&lines, 1) >= LOG_LINES_A_SECOND)
        return;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_DEBUG, "http_library", "%s", text);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **watch,
                          enum MHD_ConnectionNotificationCode what)
{
    struct api *api = context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        metric_add(METRIC_HTTP_CONNECTIONS, -1);
        watch_close(*watch);
        return;
    }
    metric_add(METRIC_HTTP_CONNECTIONS, 1);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *watch = info ? watch_open(api->reaper, info->connect_fd, api->config->request_deadline_seconds) : NULL;
}

/* Targets are decoded by target.c, strictly; the library leaves them alone. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static unsigned thread_count(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->http_threads > 0)
        return (unsigned)c->http_threads;
    return cores > 4 ? 4 : cores < 1 ? 1 : (unsigned)cores;
}

/* A listening socket for `address` and `port`; -1 with err. */
static int listen_on(const char *address, int64_t port, struct err *err)
{
    char service[16];
    struct addrinfo *found, hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%lld", (long long)port);
    if (getaddrinfo(address, service, &hints, &found) != 0)
        return err_set(err, ERR_CONFIG, "listen_address takes a numeric address, not '%s'", address);
    int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        err_errno(err, "cannot listen on %s port %lld", address, (long long)port);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* The port that a socket is bound to. */
static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int http_start(struct api *api, struct err *err)
{
    const struct config *c = api->config;
    unsigned threads = thread_count(c);
    int fd = listen_on(c->listen_address, c->port, err);
    if (fd < 0)
        return -1;
    api->port = port_of(fd);
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL}, {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    api->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_on_data,
        api, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)c->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_URI_LOG_CALLBACK,
        request_on_target, api, MHD_OPTION_NOTIFY_COMPLETED, request_on_end, api, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, api, MHD_OPTION_ARRAY, threads > 1 ? pool : none, MHD_OPTION_END);
    if (api->daemon)
        return 0;
    close(fd);
    return err_set(err, ERR_SYSTEM, "the HTTP server does not start");
}

void http_quiesce(struct api *api)
{
    MHD_socket fd = MHD_quiesce_daemon(api->daemon);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    api->listen_fd = fd;
}

void http_stop(struct api *api)
{
    MHD_stop_daemon(api->daemon);
    api->daemon = NULL;
    if (api->listen_fd >= 0)
        close(api->listen_fd);
    api->listen_fd = -1;
}
