/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two linked lists through the callers' objects, in the order of registration, and one
 * writer of the OpenMetrics 1.0 text format. Only values change once threads run.
 */
#include "base/metrics.h"

#include <inttypes.h>

static struct metric_family *families;

static const char *const KIND_NAMES[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
};
static const char *const KIND_SUFFIXES[] = {
	[METRIC_COUNTER] = "_total",
	[METRIC_GAUGE] = "",
};

void metrics_register(struct metric_family *family)
{
	struct metric_family **at = &families;

	while (*at) {
		if (*at == family)
			return;
		at = &(*at)->next;
	}
	family->next = NULL;
	*at = family;
}

void metrics_add_series(struct metric_family *family, struct metric *metric)
{
	struct metric **at = &family->first;

	while (*at) {
		if (*at == metric)
			return;
		at = &(*at)->next;
	}
	metric->next = NULL;
	*at = metric;
}

void metrics_remove_series(struct metric_family *family, struct metric *metric)
{
	struct metric **at = &family->first;

	while (*at && *at != metric)
		at = &(*at)->next;
	if (*at)
		*at = metric->next;
}

/* HELP texts and label values escape the same three characters. */
static void put_escaped(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			buf_put_str(buf, "\\n");
			continue;
		}
		if (*text == '"' || *text == '\\')
			buf_put_u8(buf, '\\');
		buf_put_u8(buf, (uint8_t)*text);
	}
}

static void put_series(struct buf *buf, const struct metric_family *family,
		       const struct metric *metric)
{
	buf_printf(buf, "%s%s", family->name, KIND_SUFFIXES[family->kind]);
	if (family->label && metric->label) {
		buf_printf(buf, "{%s=\"", family->label);
		put_escaped(buf, metric->label);
		buf_put_str(buf, "\"}");
	}
	buf_printf(buf, " %" PRIu64 "\n", metric_get(metric));
}

void metrics_render(struct buf *buf)
{
	const struct metric_family *family;
	const struct metric *metric;

	for (family = families; family; family = family->next) {
		buf_printf(buf, "# TYPE %s %s\n# HELP %s ", family->name, KIND_NAMES[family->kind],
			   family->name);
		put_escaped(buf, family->help);
		buf_put_str(buf, "\n");
		for (metric = family->first; metric; metric = metric->next)
			put_series(buf, family, metric);
	}
	buf_put_str(buf, "# EOF\n");
}
