/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change that is made to disk and chip fails once, alone; and at every one the power goes,
 * before it or right after it. Then it starts again: the table goes on from there, to the same end
 * or back to where it was, with one identity and no key left over.
 */
#include "identity/test_world.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"

enum how { ALONE, CUT_BEFORE, CUT_AFTER, HOWS };

static struct {
	bool on;
	enum how how;
	unsigned at; /* the one that fails, from 1 */
	unsigned count;
} fault;

/* Is it this change's turn? *ret_done: it happens all the same. */
static bool fails(bool *ret_done)
{
	*ret_done = false;
	if (!fault.on)
		return false;
	fault.count++;
	if (fault.how == ALONE)
		return fault.count == fault.at;
	*ret_done = fault.how == CUT_AFTER && fault.count == fault.at;
	return fault.count >= fault.at;
}

static int injected(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "the test makes this fail");
}

#define WRAP(name, parameters, arguments)                                                          \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		bool done;                                                                         \
                                                                                                   \
		if (!fails(&done))                                                                 \
			return __real_##name arguments;                                            \
		if (done)                                                                          \
			(void)!__real_##name arguments;                                            \
		return injected(err);                                                              \
	}

WRAP(file_write,
     (int dir, const char *name, struct slice bytes, mode_t mode, enum file_write how,
      struct err *err),
     (dir, name, bytes, mode, how, err))
WRAP(file_remove, (int dir, const char *name, struct err *err), (dir, name, err))
WRAP(file_erase, (int dir, const char *name, struct err *err), (dir, name, err))
WRAP(file_move, (int from_dir, const char *from, int to_dir, const char *to, struct err *err),
     (from_dir, from, to_dir, to, err))
WRAP(provider_key_create,
     (struct provider * p, struct slice header, const struct key_spec *spec,
      struct key_result *ret_key, struct err *err),
     (p, header, spec, ret_key, err))
WRAP(provider_persist,
     (struct provider * p, struct slice header, struct slice object, uint32_t handle,
      uint32_t *ret_handle, struct err *err),
     (p, header, object, handle, ret_handle, err))
WRAP(provider_evict, (struct provider * p, const struct provider_resident *key, struct err *err),
     (p, key, err))

/* A cut is played here: no machine goes down, and nothing has to wait for a disk. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

/* --- what is interrupted --- */

static void evict_all(struct world *world)
{
	for (uint32_t handle = WORLD_HANDLE; handle < WORLD_HANDLE + WORLD_HANDLES; handle++) {
		CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
		struct provider_resident key = {.handle = handle};

		if (handle == WORLD_HSK ||
		    provider_resident(world->p, handle, &there, &world->err) < 0)
			continue;
		key.name = buf_slice(&there.name);
		assert_int_equal(provider_evict(world->p, &key, &world->err), 0);
	}
}

static void fresh(struct world *world)
{
	static const char *const folders[] = {"config", "persist", "run", "state"};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		world_wipe(world, folders[i]);
	evict_all(world);
	world->options.ask = false;
	world->now.expected = true;
	world_tpm(world, IDENTITY_TPM_OK);
	world_boot(world);
}

static void in_tpm(struct world *world)
{
	world_settles(world, IDENTITY_ENABLED);
}

static void in_software(struct world *world)
{
	world->now.expected = false;
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world_settles(world, IDENTITY_SOFTWARE);
	world_tpm(world, IDENTITY_TPM_OK);
}

static void nothing(struct world *world)
{
	(void)world;
}

static void no_tpm(struct world *world)
{
	world->now.expected = false;
	world_tpm(world, IDENTITY_TPM_ABSENT);
}

static void no_certificate(struct world *world)
{
	in_tpm(world);
	world_remove(world, "config/device.cert.pem");
}

static void other_certificate(struct world *world)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	in_tpm(world);
	world_soft_pair(world, &spki);
	world_remove(world, "config/device.key.pem");
}

static void no_persist(struct world *world)
{
	in_tpm(world);
	world_wipe(world, "persist");
}

static void no_config(struct world *world)
{
	in_tpm(world);
	world_wipe(world, "config");
}

static void no_records(struct world *world)
{
	in_tpm(world);
	world_wipe(world, "persist");
	world_remove(world, "config/device.identity.json");
	world_remove(world, "config/device.identity.json.copy");
}

static void torn_records(struct world *world)
{
	no_records(world);
	world_put(world, "config/device.identity.json", slice_str("torn"));
}

static void soft_beside(struct world *world)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	in_tpm(world);
	world_soft_pair(world, &spki);
}

static void soft_asked(struct world *world)
{
	soft_beside(world);
	world->options.ask = true;
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
}

static void key_gone(struct world *world)
{
	in_tpm(world);
	evict_all(world);
	world_settles(world, IDENTITY_CONFLICT);
}

static void old_pair(struct world *world)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
}

static void soft_deleted(struct world *world)
{
	in_software(world);
	world_remove(world, "config/device.key.pem");
	world_remove(world, "config/device.cert.pem");
}

static void migrating(struct world *world)
{
	in_software(world);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), 0);
}

#define E_BIT	 (1u << IDENTITY_ENABLED)
#define S_BIT	 (1u << IDENTITY_SOFTWARE)
#define C_BIT	 (1u << IDENTITY_CONFLICT)
#define NO_ORDER (-1)

static const struct {
	const char *name;
	void (*prepare)(struct world *world);
	int wish;	/* NO_ORDER = a start */
	unsigned modes; /* that may be at the end: where it was, or where it goes */
	bool same_key;	/* that of before */
	bool previous;	/* the certificate that is out of force at the end is there, once or more */
} CASES[] = {
	{"first boot", nothing, NO_ORDER, E_BIT, false, false},
	{"first boot without a TPM", no_tpm, NO_ORDER, S_BIT, false, false},
	{"normal boot", in_tpm, NO_ORDER, E_BIT, true, false},
	{"certificate lost", no_certificate, NO_ORDER, E_BIT, true, false},
	{"certificate replaced", other_certificate, NO_ORDER, E_BIT, true, false},
	{"persist wiped", no_persist, NO_ORDER, E_BIT, true, false},
	{"config wiped", no_config, NO_ORDER, E_BIT, true, false},
	{"records lost", no_records, NO_ORDER, E_BIT, true, false},
	{"records torn", torn_records, NO_ORDER, E_BIT, true, false},
	{"software pair beside", soft_beside, NO_ORDER, E_BIT, true, false},
	{"restored", soft_asked, IDENTITY_APPROVE, E_BIT | S_BIT, false, false},
	{"approved", key_gone, IDENTITY_APPROVE, E_BIT | C_BIT, false, false},
	{"renewed", in_tpm, IDENTITY_RENEW, E_BIT, true, true},
	{"renewed in software", in_software, IDENTITY_RENEW, S_BIT, true, true},
	{"upgrade from old", old_pair, NO_ORDER, S_BIT, false, false},
	{"software deleted", soft_deleted, NO_ORDER, E_BIT, false, false},
	{"migration", in_software, IDENTITY_MIGRATE, S_BIT, true, false},
	{"confirmed", migrating, IDENTITY_CONFIRM, E_BIT | S_BIT, false, true},
	{"rolled back", migrating, IDENTITY_ROLLBACK, S_BIT, true, false},
};

/* --- what is so afterwards --- */

static void is_sound(struct world *world, unsigned modes)
{
	enum identity_mode mode = world->view->mode;
	unsigned keys = world_keys(world);

	if (!(modes & 1u << mode))
		print_error("%s: %s\n", identity_mode_name(mode), world->view->reason);
	assert_true(modes & 1u << mode);
	if (mode == IDENTITY_CONFLICT)
		return;
	world_signs(world);
	assert_true(world->view->chain.len > 0);
	if (mode == IDENTITY_ENABLED) {
		assert_int_equal(keys, 1);
		assert_false(world_has(world, "config/device.key.pem"));
		assert_false(world_has(world, "persist/holdfast/identity.journal"));
		assert_false(world_has(world, "state/identity.journal"));
		assert_true(world_has(world, "persist/config/tpm_in_use"));
	} else {
		/* Of a migration that waits, or of the identity that waits for its return. */
		assert_int_equal(keys, world->view->confirming || world->options.ask);
		assert_false(world_has(world, "persist/config/tpm_in_use"));
	}
}

static void trouble(struct world *world, size_t i)
{
	CLEANUP(buf_fini) struct buf before = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	enum identity_mode mode;

	fresh(world);
	CASES[i].prepare(world);
	if (world->view) {
		buf_put(&before, buf_slice(&world->view->spki));
		buf_put(&chain, buf_slice(&world->view->chain));
	}
	if (CASES[i].wish == NO_ORDER)
		world_boot(world);
	fault.count = 0;
	fault.on = true;
	if (CASES[i].wish == NO_ORDER)
		(void)world_settle(world);
	else
		(void)world_order(world, (enum identity_wish)CASES[i].wish);
	fault.on = false;
	if (fault.how != ALONE)
		world_boot(world);
	if (world_settle(world) < 0)
		fail_msg("%s, %u: %s", CASES[i].name, fault.at, world->err.text);
	is_sound(world, CASES[i].modes);
	if (CASES[i].previous && !slice_equal(buf_slice(&chain), buf_slice(&world->view->chain)))
		assert_true(world_count(world, "persist/holdfast/previous") > 0);
	if (CASES[i].same_key)
		assert_true(slice_equal(buf_slice(&before), buf_slice(&world->view->spki)));
	buf_reset(&before);
	buf_put(&before, buf_slice(&world->view->spki));
	/* It came to rest: one more start changes nothing. */
	mode = world->view->mode;
	world_boot(world);
	world_settles(world, mode);
	assert_true(slice_equal(buf_slice(&before), buf_slice(&world->view->spki)));
}

static void all(void **state, enum how how)
{
	struct world *world = *state;

	fault.how = how;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		for (fault.at = 1;; fault.at++) {
			trouble(world, i);
			if (fault.count < fault.at)
				break;
		}
		/* There was something to fail: at least the marker's two places. */
		assert_true(fault.at > 2);
	}
}

static void each_fails_alone(void **state)
{
	all(state, ALONE);
}

static void cut_before_each(void **state)
{
	all(state, CUT_BEFORE);
}

static void cut_after_each(void **state)
{
	all(state, CUT_AFTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(each_fails_alone),
		CASE(cut_before_each),
		CASE(cut_after_each),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
