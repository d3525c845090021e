/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from measured times. */
#include "cmd/holdfast/speed.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SUM_FAMILY   "holdfast_tpm_command_microseconds_total"
#define COUNT_FAMILY "holdfast_tpm_commands_total"
#define WORST_FAMILY "holdfast_tpm_command_worst_microseconds"
#define LINE_SIZE    128u

#define COLD_COMMANDS 3u

/* --- times --- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t speed_median(uint64_t *times, size_t count)
{
	if (count == 0)
		return 0;
	qsort(times, count, sizeof(*times), compare);
	return times[(count - 1) / 2];
}

uint64_t speed_longest(const uint64_t *times, size_t count)
{
	uint64_t longest = 0;
	size_t i;

	for (i = 0; i < count; i++)
		longest = times[i] > longest ? times[i] : longest;
	return longest;
}

/* --- the service's counters --- */

bool speed_read_metric(const char *text, const char *family, const char *command,
		       uint64_t *ret_value)
{
	char start[LINE_SIZE];
	int len = snprintf(start, sizeof(start), "%s{command=\"%s\"} ", family, command);
	const char *line = text;
	char *end;
	uint64_t value;

	if (len < 0 || (size_t)len >= sizeof(start))
		return false;
	while (line && strncmp(line, start, (size_t)len) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || line[len] < '0' || line[len] > '9')
		return false;
	value = strtoull(line + len, &end, 10);
	if (*end != '\n' && *end != '\0')
		return false;
	*ret_value = value;
	return true;
}

bool speed_chip_time(const char *before, const char *after, const char *command, uint64_t *ret_us)
{
	uint64_t sum[2] = {0}, count[2] = {0};

	/* A series may only begin with its first event. */
	(void)speed_read_metric(before, SUM_FAMILY, command, &sum[0]);
	(void)speed_read_metric(before, COUNT_FAMILY, command, &count[0]);
	if (!speed_read_metric(after, SUM_FAMILY, command, &sum[1]) ||
	    !speed_read_metric(after, COUNT_FAMILY, command, &count[1]) || sum[1] < sum[0] ||
	    count[1] <= count[0])
		return false;
	*ret_us = (sum[1] - sum[0]) / (count[1] - count[0]);
	return true;
}

static uint64_t worst_of(const char *text, const char *command)
{
	uint64_t us = 0;

	(void)speed_read_metric(text, WORST_FAMILY, command, &us);
	return us;
}

/*
 * Load or ContextLoad, TPM2_Unseal, FlushContext. Seal is TPM2_Create, whose longest time would be
 * that of making an RSA key: for seal stands what was measured.
 */
void speed_take_worst(struct speed *speed, const char *text)
{
	const uint64_t cold[] = {
		worst_of(text, "ContextLoad"),
		worst_of(text, "Load"),
		worst_of(text, "Unseal"),
		worst_of(text, "FlushContext"),
	};

	speed->worst_open_us = worst_of(text, "Unseal");
	speed->worst_unseal_us = speed_longest(cold, ARRAY_LEN(cold));
	speed->worst_known = speed->worst_open_us > 0;
}

/* --- conclusions --- */

static const struct speed_op *find(const struct speed *speed, const char *name, const char *type)
{
	size_t i;

	for (i = 0; i < speed->count; i++)
		if (strcmp(speed->ops[i].name, name) == 0 && strcmp(speed->ops[i].type, type) == 0)
			return speed->ops[i].measured ? &speed->ops[i] : NULL;
	return NULL;
}

struct speed_advice speed_advise(const struct speed *speed)
{
	const struct speed_op *fast = find(speed, "sign", "ecc-p256");
	const struct speed_op *slow = find(speed, "sign", "rsa-2048");
	struct speed_advice advice = {0};

	if (!fast || (slow && slow->median_us < fast->median_us)) {
		const struct speed_op *was = fast;

		fast = slow;
		slow = was;
	}
	if (!fast)
		return advice;
	advice.type = fast->type;
	if (!slow)
		return advice;
	advice.other = slow->type;
	advice.close = slow->median_us * 100 < fast->median_us * (100 + SPEED_CLOSE_PCT);
	advice.tenths = fast->median_us > 0 ? slow->median_us * 10 / fast->median_us : 0;
	return advice;
}

struct speed_bound speed_bound(const struct speed *speed)
{
	const struct speed_op *seal = find(speed, "seal", "");
	const struct speed_op *unseal = find(speed, "unseal", "");
	struct speed_bound bound = {
		.seal_us = seal ? seal->worst_us : 0,
		.unseal_us = unseal ? unseal->worst_us : 0,
		.worst_known = speed->worst_known,
		.worst_seal_us = seal ? seal->worst_us : 0,
		.worst_loaded_us = speed->worst_open_us,
		.worst_cold_us = COLD_COMMANDS * speed->worst_unseal_us,
	};

	bound.holds = seal && unseal && bound.seal_us < SPEED_BOUND_US &&
		      bound.unseal_us < SPEED_BOUND_US;
	bound.worst_holds = bound.holds && bound.worst_known &&
			    bound.worst_loaded_us < SPEED_BOUND_US &&
			    bound.worst_cold_us < SPEED_BOUND_US;
	return bound;
}

/* --- texts --- */

static void put_ms(struct buf *out, uint64_t us)
{
	buf_printf(out, "%8" PRIu64 ".%02" PRIu64 " ms", us / 1000, us % 1000 / 10);
}

static void put_op(struct buf *out, const struct speed_op *op)
{
	buf_printf(out, "%-7s%-10s", op->name, op->type);
	if (!op->measured) {
		buf_put_str(out, "    this provider has no such key\n");
		return;
	}
	put_ms(out, op->median_us);
	put_ms(out, op->worst_us);
	if (op->chip_known)
		put_ms(out, op->chip_us);
	buf_put_u8(out, '\n');
}

static void put_advice(struct buf *out, const struct speed *speed)
{
	const struct speed_advice advice = speed_advise(speed);

	if (!advice.type)
		return;
	buf_printf(out, "For signing: %s", advice.type);
	if (advice.close)
		buf_printf(out, ", though %s is less than %u %% slower: either will do",
			   advice.other, SPEED_CLOSE_PCT);
	else if (advice.other)
		buf_printf(out, "; %s takes %" PRIu64 ".%" PRIu64 " times as long", advice.other,
			   advice.tenths / 10, advice.tenths % 10);
	buf_put_str(out, ".\n");
}

static const char *says(bool holds)
{
	return holds ? "yes" : "NO";
}

static void put_bound(struct buf *out, const struct speed *speed)
{
	const struct speed_bound bound = speed_bound(speed);

	buf_printf(out, "Seal and unseal in under %u ms each:\n", SPEED_BOUND_US / 1000);
	buf_printf(out, "  as measured, longest:      %-4s seal", says(bound.holds));
	put_ms(out, bound.seal_us);
	buf_put_str(out, ", unseal");
	put_ms(out, bound.unseal_us);
	buf_put_u8(out, '\n');
	if (!bound.worst_known) {
		buf_put_str(out,
			    "  at the chip's longest:     unknown; the service does not tell\n");
		return;
	}
	buf_printf(out, "  at the chip's longest:     %-4s seal", says(bound.worst_holds));
	put_ms(out, bound.worst_seal_us);
	buf_put_str(out, ", unseal");
	put_ms(out, bound.worst_loaded_us);
	buf_put_str(out, " loaded,");
	put_ms(out, bound.worst_cold_us);
	buf_printf(out,
		   " not loaded\n"
		   "  (unseal: 1 and %u commands, at the longest time of any of these since the "
		   "service\n  started; seal: 1 command, as measured)\n",
		   COLD_COMMANDS);
}

void speed_put(struct buf *out, const struct speed *speed)
{
	size_t i;

	if (!speed->on_chip)
		buf_put_str(out, "Software: no chip was measured.\n\n");
	buf_printf(out, "%u runs each        median       longest%s\n", SPEED_RUNS,
		   speed->on_chip ? "   in the chip" : "");
	for (i = 0; i < speed->count; i++)
		put_op(out, &speed->ops[i]);
	buf_put_u8(out, '\n');
	if (!speed->on_chip)
		return;
	put_advice(out, speed);
	put_bound(out, speed);
}

static json_t *op_json(const struct speed_op *op)
{
	if (!op->measured)
		return json_pack("{s:s, s:s, s:b}", "name", op->name, "type", op->type, "measured",
				 0);
	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:o}", "name", op->name, "type", op->type,
			 "measured", 1, "median_us", (json_int_t)op->median_us, "longest_us",
			 (json_int_t)op->worst_us, "chip_us",
			 op->chip_known ? json_integer((json_int_t)op->chip_us) : json_null());
}

static json_t *bound_json(const struct speed *speed)
{
	const struct speed_bound bound = speed_bound(speed);
	json_t *worst = json_null();

	if (bound.worst_known)
		worst = json_pack("{s:b, s:I, s:I, s:I}", "holds", (int)bound.worst_holds,
				  "seal_us", (json_int_t)bound.worst_seal_us, "unseal_us",
				  (json_int_t)bound.worst_loaded_us, "unseal_cold_us",
				  (json_int_t)bound.worst_cold_us);
	return json_pack("{s:I, s:{s:b, s:I, s:I}, s:o}", "limit_us", (json_int_t)SPEED_BOUND_US,
			 "measured", "holds", (int)bound.holds, "seal_us",
			 (json_int_t)bound.seal_us, "unseal_us", (json_int_t)bound.unseal_us,
			 "longest", worst);
}

static json_t *advice_json(const struct speed *speed)
{
	const struct speed_advice advice = speed_advise(speed);

	if (!advice.type)
		return json_null();
	return json_pack("{s:s, s:b}", "type", advice.type, "close", (int)advice.close);
}

struct json_t *speed_json(const struct speed *speed)
{
	json_t *ops = json_array();
	size_t i;

	for (i = 0; i < speed->count; i++)
		(void)json_array_append_new(ops, op_json(&speed->ops[i]));
	return json_pack("{s:b, s:i, s:o, s:o, s:o}", "chip", (int)speed->on_chip, "runs",
			 (int)SPEED_RUNS, "operations", ops, "signing",
			 speed->on_chip ? advice_json(speed) : json_null(), "bound",
			 speed->on_chip ? bound_json(speed) : json_null());
}
