/* metrics: the counters and gauges of /metrics, declared once in metrics.def.
 *
 * Process-wide atomics, relaxed: any thread may add at any time. It refuses labels and histograms. */
#ifndef EGALIGN_BASE_METRICS_H
#define EGALIGN_BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric {
#define METRIC(symbol, name, type, help) METRIC_##symbol,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

void metric_add(enum metric metric, int64_t amount); /* gauges may take a negative amount */
int64_t metric_value(enum metric metric);

/* Appends all of them in the Prometheus text format 0.0.4. */
void metrics_render(struct buf *out);

void metrics_print_docs(void); /* Markdown, for docs/metrics.md */

#endif
