/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/fault/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "tests/fault/inject.h"

#define DEADLINE_US (10u * 1000u * 1000u)
#define REFUSAL_US  (6u * 1000u * 1000u) /* the engine looks again after 5 s */

/* --- what may be there --------------------------------------------------------------------- */

void belief_set(struct belief *belief, int what)
{
	belief->may[0] = what;
	belief->count = 1;
}

bool belief_has(const struct belief *belief, int what)
{
	unsigned i;

	for (i = 0; i < belief->count; i++)
		if (belief->may[i] == what)
			return true;
	return false;
}

void belief_add(struct belief *belief, int what)
{
	if (belief_has(belief, what))
		return;
	assert_true(belief->count < SCRIPT_BELIEFS);
	belief->may[belief->count++] = what;
}

const char *script_name(unsigned which)
{
	static const char *const names[SCRIPT_NAMES] = {"a", "db-password", "x.y_z", "Q"};

	return names[which];
}

/* Around the limits of sealing directly, of a buffer's first block, and of a chunk. */
struct secret *script_content(const struct script *script, int content)
{
	static const unsigned sizes[] = {0, 1, 32, 63, 128, 129, 1000, 65536, 70001};
	struct prng dice = prng_of(script->world->seed, 0x10000u + (unsigned)content);
	unsigned size = sizes[prng_below(&dice, ARRAY_LEN(sizes))];
	struct secret *bytes = NULL;
	struct err err;

	assert_int_equal(secret_new(size, &bytes, &err), 0);
	for (unsigned i = 0; i < size; i++)
		secret_data(bytes)[i] = (uint8_t)(prng_next(&dice) >> 40);
	return bytes;
}

int script_recognize(const struct script *script, const struct belief *belief, struct slice bytes)
{
	unsigned i;

	for (i = 0; i < belief->count; i++) {
		CLEANUP(secret_cleanup) struct secret *content = NULL;

		if (belief->may[i] == SCRIPT_ABSENT)
			continue;
		content = script_content(script, belief->may[i]);
		if (slice_equal(secret_slice(content), bytes))
			return belief->may[i];
	}
	fail_msg("%zu bytes were served that nobody put there", bytes.len);
	return SCRIPT_ABSENT;
}

/* --- while things fail --------------------------------------------------------------------- */

static uint64_t failures(void)
{
	return inject_failures() + world_chip_faults();
}

void script_live(struct script *script)
{
	script->failures_before = failures();
	if (script->world->p)
		script->world->p->deadline_us = clock_monotonic_us() + DEADLINE_US;
	if (script->over)
		return;
	world_chip_on(script->world);
	inject_on();
}

void script_calm(struct script *script)
{
	(void)script;
	inject_off();
	world_chip_off();
}

/*
 * What may be answered when memory, disk or chip fail. Well-formed lies about what stands in the
 * chip lead to conclusions about it, but never to those about what the caller asked for.
 */
static bool tells_of_faults(const struct world *world, int code)
{
	switch (code) {
	case ERR_INTERNAL:
	case ERR_DISK_FULL:
	case ERR_UNREADABLE:
		return true;
	case ERR_TPM_BUSY:
	case ERR_TPM_LOCKOUT:
	case ERR_TPM_FAILED:
		return world->tpm;
	case ERR_TPM_CHANGED:
	case ERR_OWNER_AUTH_REQUIRED:
	case ERR_NOT_SUPPORTED:
	case ERR_AUTH_FAILED:
	case ERR_DAMAGED:
	case ERR_INVALID:
	case ERR_CONFLICT:
		return world->tpm && world->lies;
	default:
		return false;
	}
}

/* Does the engine still believe what a lie made it conclude a moment ago? */
static bool still_misled(const struct world *world)
{
	return world->lies && world_chip_faults() > world->chip_faults_at;
}

int script_expect(const struct script *script, int r, const struct err *err)
{
	if (r == 0)
		return 0;
	assert_int_equal(err->code, r);
	assert_true(err->text[0] != '\0');
	if (failures() == script->failures_before && !still_misled(script->world))
		fail_msg("failed without a cause: %s (%s, origin %lx)", err->text,
			 err_info(r)->name, err->origin);
	if (!tells_of_faults(script->world, r))
		fail_msg("an unfitting code: %s (%s, origin %lx)", err->text, err_info(r)->name,
			 err->origin);
	return r;
}

/* --- the script ---------------------------------------------------------------------------- */

void script_begin(struct script *script, struct world *world)
{
	unsigned i;

	*script = (struct script){.world = world, .dice = prng_of(world->seed, 0x736372)};
	for (i = 0; i < SCRIPT_NAMES; i++) {
		belief_set(&script->secrets[i], SCRIPT_ABSENT);
		belief_set(&script->keys[i], SCRIPT_ABSENT);
		script->blobs[i].bytes = (struct buf)BUF_INIT(KEYSTORE_BLOB_MAX);
	}
	script->exported.pem = (struct buf)BUF_INIT(KEYSTORE_BLOB_MAX);
	script->doing = "opening";
	script_reopen(script);
}

static const struct script_operation *throw_operation(struct script *script)
{
	unsigned sum = 0, at, i;

	for (i = 0; i < script_operation_count; i++)
		sum += script_operations[i].weight;
	at = prng_below(&script->dice, sum);
	for (i = 0; at >= script_operations[i].weight; i++)
		at -= script_operations[i].weight;
	return &script_operations[i];
}

void script_run(struct script *script, unsigned operations)
{
	while (operations-- > 0) {
		const struct script_operation *operation = throw_operation(script);

		if (operation->chip_only && !script->world->tpm)
			continue;
		script->doing = operation->name;
		operation->run(script);
		script->operations++;
	}
}

static void check_all(struct script *script)
{
	unsigned i;

	script_check_list(script);
	for (i = 0; i < SCRIPT_NAMES; i++) {
		script_check_secret(script, i);
		script_check_key(script, i);
		script_check_blob(script, i);
	}
}

void script_verify(struct script *script)
{
	struct err err;

	script_calm(script);
	script->over = true;
	/*
	 * First as it is: who serves recovers by himself, at once or at the next look.
	 */
	inject_clock(REFUSAL_US);
	script->world->chip_faults_at = world_chip_faults();
	script->doing = "recovery";
	check_all(script);
	script->doing = "opening at the end";
	world_close(script->world);
	assert_int_equal(script_expect(script, world_open_state(script->world, &err), &err), 0);
	assert_int_equal(script_expect(script, world_open_provider(script->world, &err), &err), 0);
	script->doing = "reading at the end";
	check_all(script);
}

void script_end(struct script *script)
{
	unsigned i;

	for (i = 0; i < SCRIPT_NAMES; i++)
		buf_fini(&script->blobs[i].bytes);
	buf_fini(&script->exported.pem);
	secret_free(script->exported.passphrase);
}
