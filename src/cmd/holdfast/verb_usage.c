/* SPDX-License-Identifier: Apache-2.0 */
/* What this container uses, as the host counts it: a few lines for people; --json gives all of it.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

#define TEXT_MAX     (64u * 1024u)
#define LABEL_COLUMN 12

static void put_label(struct buf *out, const char *label)
{
	buf_printf(out, "%-*s", LABEL_COLUMN, label);
}

/* Large counters come as strings, since JSON numbers end at 2^53. False for null. */
static bool count_of(const json_t *object, const char *name, double *ret_value)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_string(value))
		*ret_value = strtod(json_string_value(value), NULL);
	else if (json_is_number(value))
		*ret_value = json_number_value(value);
	else
		return false;
	return true;
}

/* "512 B", "7.0 MiB" */
static void put_bytes(struct buf *out, double bytes)
{
	static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	while (bytes >= 1024.0 && unit + 1 < ARRAY_LEN(UNITS)) {
		bytes /= 1024.0;
		unit++;
	}
	buf_printf(out, "%.*f %s", unit > 0 ? 1 : 0, bytes, UNITS[unit]);
}

static void put_seconds(struct buf *out, double microseconds)
{
	buf_printf(out, "%.3f s", microseconds / 1e6);
}

static void put_number(struct buf *out, double number)
{
	buf_printf(out, "%.0f", number);
}

static void put_cores(struct buf *out, double cores)
{
	buf_printf(out, "%.3g", cores);
}

/* "before VALUE after", or nothing where the value is null. */
struct part {
	const char *before;
	const char *name;
	void (*put)(struct buf *out, double value);
	const char *after;
};

static void put_parts(struct buf *out, const json_t *object, const struct part *parts, size_t count)
{
	double value;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!count_of(object, parts[i].name, &value))
			continue;
		buf_put_str(out, parts[i].before);
		parts[i].put(out, value);
		buf_put_str(out, parts[i].after);
	}
	buf_put_u8(out, '\n');
}

static const struct part MEMORY[] = {
	{"", "current", put_bytes, ""},
	{" of ", "limit", put_bytes, ""},
	{", ", "peak", put_bytes, " at most so far"},
};
static const struct part CPU[] = {
	{"", "usage_us", put_seconds, ""},
	{", ", "user_us", put_seconds, " of programs"},
	{", ", "system_us", put_seconds, " of the kernel"},
	{", limited to ", "limit_cores", put_cores, " processors"},
};
static const struct part PIDS[] = {
	{"", "current", put_number, ""},
	{" of ", "limit", put_number, ""},
};
static const struct part INTERFACE[] = {
	{"received ", "rx_bytes", put_bytes, ""},
	{" in ", "rx_packets", put_number, " packets"},
	{", sent ", "tx_bytes", put_bytes, ""},
	{" in ", "tx_packets", put_number, " packets"},
};

static const struct {
	const char *label;
	const char *name;
	const struct part *parts;
	size_t count;
} METERS[] = {
	{"memory", "memory", MEMORY, ARRAY_LEN(MEMORY)},
	{"processor", "cpu", CPU, ARRAY_LEN(CPU)},
	{"processes", "pids", PIDS, ARRAY_LEN(PIDS)},
};

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* A text of the service's, with another in brackets where there is one. */
static void put_text(struct buf *out, const char *label, const char *text, const char *more)
{
	if (!text)
		return;
	put_label(out, label);
	cli_put_text(out, text);
	if (more) {
		buf_put_str(out, " (");
		cli_put_text(out, more);
		buf_put_str(out, ")");
	}
	buf_put_u8(out, '\n');
}

static void put_usage(struct buf *out, const json_t *usage)
{
	const json_t *cgroup = json_object_get(usage, "cgroup");
	const json_t *list = json_object_get(json_object_get(usage, "network"), "interfaces");
	const json_t *remarks = json_object_get(usage, "remarks");
	const char *name;
	double version = 0;
	size_t i;

	(void)count_of(cgroup, "version", &version);
	put_text(out, "cgroup", text_of(cgroup, "path"), version > 1 ? "version 2" : "version 1");
	put_text(out, "container", text_of(usage, "container"), text_of(usage, "runtime"));
	for (i = 0; i < ARRAY_LEN(METERS); i++) {
		const json_t *meter = json_object_get(usage, METERS[i].name);

		if (!json_is_object(meter))
			continue;
		put_label(out, METERS[i].label);
		put_parts(out, meter, METERS[i].parts, METERS[i].count);
	}
	for (i = 0; i < json_array_size(list); i++) {
		name = text_of(json_array_get(list, i), "name");
		put_label(out, "network");
		cli_put_text(out, name ? name : "?");
		buf_put_str(out, ": ");
		put_parts(out, json_array_get(list, i), INTERFACE, ARRAY_LEN(INTERFACE));
	}
	for (i = 0; i < json_array_size(remarks); i++)
		put_text(out, "remark", json_string_value(json_array_get(remarks, i)), NULL);
}

static int print_usage(const struct cli *cli, const char *text)
{
	CLEANUP(json_cleanup) struct json_t *usage = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	struct err err;
	int r;

	r = json_parse(slice_str(text), &usage, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	put_usage(&out, usage);
	return cli_print(cli, &out);
}

int verb_usage(struct cli *cli, struct opt_words words)
{
	char *text;
	int r;

	r = cli_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	if (hf_usage_json(cli->hf, &text) < 0)
		return cli_fail_hf(cli);
	r = cli->json ? cli_print_json(cli, text) : print_usage(cli, text);
	hf_free(text);
	return r;
}
