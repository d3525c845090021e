/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller uses of this machine. The process that asks is taken hold of on the loop, while
 * its connection is open; the pool reads, since the kernel may take its time to sum up.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "host/usage.h"
#include "service/op.h"
#include "service/routes.h"

#define PROC	"/proc"
#define CGROUPS "/sys/fs/cgroup"

/* Above that a JSON number is no longer exact everywhere (RFC 8259, 6). */
#define NUMBER_MAX (UINT64_C(1) << 53)

struct usage_op {
	struct op op;
	struct process process;
	char group[TENANT_CGROUP_MAX + 1]; /* of the configuration, or "" */
	struct usage usage;
};

static int read_it(void *arg, struct err *err)
{
	struct usage_op *op = arg;
	const struct usage_source source = {
		.proc = PROC, .cgroup = CGROUPS, .process = &op->process, .group = op->group};

	(void)err;
	usage_read(&source, &op->usage);
	return 0;
}

static int prepare(struct op *op, struct err *err)
{
	struct usage_op *usage = (struct usage_op *)op;
	struct err ignored;

	(void)err;
	usage->process = (struct process)PROCESS_INIT;
	(void)snprintf(usage->group, sizeof(usage->group), "%s", op->peer.tenant->cgroup);
	/* A process that cannot be seen is a remark of the answer. */
	if (process_of_peer(op->peer.socket, op->peer.pid, op->peer.since_us, &usage->process,
			    &ignored) < 0)
		usage->process = (struct process)PROCESS_INIT;
	op_step(op, JOB_POOL, read_it);
	return 0;
}

/* --- the answer --- */

static json_t *number_json(uint64_t value)
{
	char text[24];

	if (value == METER_NONE)
		return json_null();
	if (value <= NUMBER_MAX)
		return json_integer((json_int_t)value);
	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

/* Counters of packets and bytes are as large as they come; they have no mark for "unknown". */
static json_t *counter_json(uint64_t value)
{
	return value == METER_NONE ? json_string("18446744073709551615") : number_json(value);
}

static json_t *cgroup_json(const struct usage *usage)
{
	if (usage->version == 0)
		return json_null();
	return json_pack("{s:i, s:o}", "version", (int)usage->version, "path",
			 op_json_text(usage->path));
}

static json_t *memory_json(const struct usage *usage)
{
	if (usage->memory.current == METER_NONE)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "current", number_json(usage->memory.current), "limit",
			 number_json(usage->memory.limit), "peak", number_json(usage->memory.peak));
}

static json_t *cpu_json(const struct usage *usage)
{
	uint64_t limit = usage->cpu.limit_millicores;

	if (usage->cpu.usage_us == METER_NONE)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "usage_us", number_json(usage->cpu.usage_us),
			 "user_us", number_json(usage->cpu.user_us), "system_us",
			 number_json(usage->cpu.system_us), "limit_cores",
			 limit == METER_NONE ? json_null() : json_real((double)limit / 1000.0));
}

static json_t *pids_json(const struct usage *usage)
{
	if (usage->pids.current == METER_NONE)
		return json_null();
	return json_pack("{s:o, s:o}", "current", number_json(usage->pids.current), "limit",
			 number_json(usage->pids.limit));
}

static json_t *interface_json(const struct meter_interface *interface)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", op_json_text(interface->name),
			 "rx_bytes", counter_json(interface->rx_bytes), "tx_bytes",
			 counter_json(interface->tx_bytes), "rx_packets",
			 counter_json(interface->rx_packets), "tx_packets",
			 counter_json(interface->tx_packets));
}

/* NULL when memory is short, which json_pack() refuses. */
static json_t *network_json(const struct usage *usage)
{
	CLEANUP(json_cleanup) json_t *list = json_array();
	size_t i;

	if (!usage->has_network)
		return json_null();
	for (i = 0; i < usage->interface_count; i++)
		if (json_array_append_new(list, interface_json(&usage->interfaces[i])) < 0)
			return NULL;
	return json_pack("{s:O}", "interfaces", list);
}

static json_t *remarks_json(const struct usage *usage)
{
	CLEANUP(json_cleanup) json_t *list = json_array();
	size_t i;

	for (i = 0; i < usage->remark_count; i++)
		if (json_array_append_new(list, json_string(usage->remarks[i])) < 0)
			return NULL;
	return TAKE(list);
}

static void answer(struct op *op)
{
	const struct usage *usage = &((struct usage_op *)op)->usage;
	const char *id = usage->container.id;

	op_answer_json(
		op, 200,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cgroup", cgroup_json(usage),
			  "container", op_json_text(id[0] != '\0' ? id : NULL), "runtime",
			  op_json_text(usage->container.runtime), "memory", memory_json(usage),
			  "cpu", cpu_json(usage), "network", network_json(usage), "pids",
			  pids_json(usage), "remarks", remarks_json(usage)));
}

static void fini(struct op *op)
{
	process_fini(&((struct usage_op *)op)->process);
}

static const struct op_kind USAGE = {
	.operation = METRICS_USAGE,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct usage_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_usage(struct http_request *request, void *app)
{
	op_run(app, request, &USAGE);
}
