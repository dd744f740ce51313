/* A private cluster for the test programs that need a database: made in a fresh folder by store/cluster itself, stopped
 * and removed at the end. As root the server runs as another user, so the folder is open to be passed through. */
#ifndef EGALIGN_CLUSTER_FIXTURE_H
#define EGALIGN_CLUSTER_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/config.h"
#include "store/cluster.h"
#include "store/pool.h"

struct fixture {
    char folder[64];
    struct config config;
    struct cluster *cluster;
    struct pool *pool;
    struct err err;
};

static int fixture_remove(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

/* The configuration of a cluster in a new folder below /tmp; nothing is started. */
static void fixture_config(struct fixture *f)
{
    char option[80];
    strcpy(f->folder, "/tmp/egalign-test-XXXXXX");
    if (!mkdtemp(f->folder) || chmod(f->folder, 0711) < 0)
        abort();
    snprintf(option, sizeof option, "--data-dir=%s/data", f->folder);
    if (config_load(&f->config, 2, (char *[]){option, "--allow-unsafe-storage"}, &f->err) < 0)
        abort();
}

static void fixture_delete(struct fixture *f)
{
    config_free(&f->config);
    nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void fixture_must(struct fixture *f, int status)
{
    if (status < 0) {
        fprintf(stderr, "fixture: %s\n", f->err.message);
        abort();
    }
}

/* A running cluster and a pool of three connections with a deadline of two seconds. */
static inline void fixture_start(struct fixture *f)
{
    fixture_config(f);
    fixture_must(f, cluster_start(&f->config, &f->cluster, &f->err));
    fixture_must(f, cluster_wait_ready(f->cluster, 60000, &f->err));
    struct pool_options o = {.pg = {.conninfo = cluster_conninfo(f->cluster)}, .size = 3, .deadline_ms = 2000};
    fixture_must(f, pool_new(&o, &f->pool, &f->err));
}

static void fixture_stop(struct fixture *f)
{
    pool_free(f->pool);
    cluster_stop(f->cluster);
    fixture_delete(f);
}

#endif
