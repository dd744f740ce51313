#include "base/metrics.h"

#include <stdatomic.h>
#include <stdio.h>

static _Atomic int64_t values[METRIC_COUNT];

static const struct {
    const char *name, *type, *help;
} infos[METRIC_COUNT] = {
#define COUNTER "counter"
#define GAUGE "gauge"
#define METRIC(symbol, name, type, help) [METRIC_##symbol] = {name, type, help},
#include "base/metrics.def"
#undef METRIC
};

void metric_add(enum metric metric, int64_t amount)
{
    atomic_fetch_add_explicit(&values[metric], amount, memory_order_relaxed);
}

int64_t metric_value(enum metric metric)
{
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}

void metrics_render(struct buf *out)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", infos[i].name, infos[i].help, infos[i].name,
                   infos[i].type, infos[i].name, (long long)metric_value((enum metric)i));
}

void metrics_print_docs(void)
{
    printf("# Metrics\n\nGenerated from `src/base/metrics.def`; served at `/metrics`.\n\n"
           "| name | type | meaning |\n|---|---|---|\n");
    for (int i = 0; i < METRIC_COUNT; i++)
        printf("| `%s` | %s | %s |\n", infos[i].name, infos[i].type, infos[i].help);
}
