/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

/*
 * Metrics: a registry of atomics, written in the OpenMetrics text format. Families and their
 * series are objects of the room that counts; families are registered before threads start. Series
 * that come and go do so on the thread that renders.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *label; /* value of the family's label, or NULL */
	_Atomic uint64_t value;
	struct metric *next;
};

struct metric_family {
	const char *name; /* without the "_total" that counters get */
	const char *help;
	const char *label; /* name of the label, or NULL */
	enum metric_kind kind;
	struct metric *first;
	struct metric_family *next;
};

/* Both tolerate a second call with the same object. */
void metrics_register(struct metric_family *family);
void metrics_add_series(struct metric_family *family, struct metric *metric);
/* One that was not added is left alone. */
void metrics_remove_series(struct metric_family *family, struct metric *metric);

static inline void metric_add(struct metric *metric, uint64_t n)
{
	atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}

static inline void metric_set(struct metric *metric, uint64_t v)
{
	atomic_store_explicit(&metric->value, v, memory_order_relaxed);
}

/* The largest value that was ever given; starts from 0. */
static inline void metric_max(struct metric *metric, uint64_t v)
{
	uint64_t seen = atomic_load_explicit(&metric->value, memory_order_relaxed);

	while (seen < v &&
	       !atomic_compare_exchange_weak_explicit(&metric->value, &seen, v,
						      memory_order_relaxed, memory_order_relaxed))
		continue;
}

static inline uint64_t metric_get(const struct metric *metric)
{
	return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

/* Appends the whole exposition, ending in "# EOF\n". */
void metrics_render(struct buf *buf);

#endif
