/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_SPEED_H
#define CMD_HOLDFAST_SPEED_H

/*
 * Speed: how fast this chip is, as the service's users see it, and what follows from that. The
 * measuring needs the service; what follows is pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "holdfast/client.h"

#define SPEED_RUNS	20u
#define SPEED_TYPES	4u
#define SPEED_OPS	(SPEED_TYPES + 2u) /* the two are seal and unseal */
#define SPEED_BOUND_US	500000u		   /* for each seal and each unseal */
#define SPEED_CLOSE_PCT 20u

/* Times of one operation, in microseconds. */
struct speed_op {
	const char *name;   /* "sign", "seal", "unseal" */
	const char *type;   /* of the key, or "" */
	bool measured;	    /* false: this chip has no such key */
	uint64_t median_us; /* by way of the service */
	uint64_t worst_us;  /* .. of all runs, the first one included */
	bool chip_known;
	uint64_t chip_us; /* the operation's own command in the chip, on average */
};

struct speed {
	bool on_chip;
	struct speed_op ops[SPEED_OPS];
	size_t count;
	bool worst_known; /* the service tells the longest time of each command since its start */
	uint64_t worst_open_us;	  /* of TPM2_Unseal */
	uint64_t worst_unseal_us; /* of a command that an unseal takes when nothing is loaded */
};

/* --- pure --- */

/* Sorts. The median of an even count is the lower one of the two. */
uint64_t speed_median(uint64_t *times, size_t count);
uint64_t speed_longest(const uint64_t *times, size_t count);

/* The value of FAMILY{command="@command"} in an OpenMetrics text; false when there is none. */
bool speed_read_metric(const char *text, const char *family, const char *command,
		       uint64_t *ret_value);

/* The average time in the chip of @command between two of these texts; false when not told. */
bool speed_chip_time(const char *before, const char *after, const char *command, uint64_t *ret_us);

/* Takes the longest times of unseal's commands from such a text. */
void speed_take_worst(struct speed *speed, const char *text);

/* Which of rsa-2048 and ecc-p256 to sign with. */
struct speed_advice {
	const char *type;  /* NULL = neither was measured */
	const char *other; /* NULL = it was not measured */
	bool close;	   /* less than SPEED_CLOSE_PCT apart: either will do */
	uint64_t tenths;   /* how many times as long the other takes, times ten */
};
struct speed_advice speed_advise(const struct speed *speed);

/* The bound, twice: for what was measured, and for commands times their longest time. */
struct speed_bound {
	uint64_t seal_us, unseal_us;
	bool holds;
	bool worst_known;
	uint64_t worst_seal_us;	  /* 1 command, as measured: TPM2_Create makes keys too */
	uint64_t worst_loaded_us; /* 1 command */
	uint64_t worst_cold_us;	  /* 3 commands */
	bool worst_holds;
};
struct speed_bound speed_bound(const struct speed *speed);

/* Appends a table and its conclusions. */
void speed_put(struct buf *out, const struct speed *speed);

struct json_t;
/* The same as an object; NULL when memory is short. */
struct json_t *speed_json(const struct speed *speed);

/* --- measuring --- */

/*
 * Makes keys named doctor-speed-.., uses and deletes them. They are deleted as well when
 * something fails, or a signal asks the program to end, which then it does.
 */
int speed_measure(struct hf *hf, bool on_chip, struct speed *ret_speed, struct err *err) MUST_CHECK;

#endif
