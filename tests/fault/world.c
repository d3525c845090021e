/* SPDX-License-Identifier: Apache-2.0 */

/* The steps of holdfastd's start (cmd/holdfastd/opening.c) in one thread, one after the other. */

#include "tests/fault/world.h"

#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include <cmocka.h>

#include "base/loop.h"
#include "provider/legacy/legacy.h"
#include "provider/tpm/tpm.h"
#include "tests/fault/fault_tcti.h"
#include "tests/fault/inject.h"
#include "tests/fault/prng.h"
#include "tests/support/folder.h"

#define OPERATION_US (30u * 1000u * 1000u)

/* What a chip or the way to it may do without anybody's intent; and what takes an intent. */
#define FAILURES                                                                                   \
	"delay+retry+yielded+testing+nv_rate+object_memory+session_memory+memory+lockout+failure+" \
	"break+die+drop+random"
#define LIES FAILURES "+cut+long+tag+size+body+bit+replay"

static struct fault_control *control;

/* Loaded under its soname "swtpm", by which Tss2_TctiLdr then finds it. */
void world_load_tcti(void)
{
	void *module = dlopen(FAULT_TCTI, RTLD_NOW | RTLD_NODELETE);
	union {
		void *pointer;
		struct fault_control *(*call)(void);
	} symbol = {.pointer = module ? dlsym(module, FAULT_TCTI_CONTROL) : NULL};

	assert_non_null(symbol.pointer);
	control = symbol.call();
	control->rate = 0;
}

uint64_t world_chip_faults(void)
{
	return control->injected;
}

void world_chip_on(const struct world *world)
{
	control->rate = (int)world->rate;
}

void world_chip_off(void)
{
	control->rate = 0;
}

static const char *kinds_of(const struct world *world)
{
	if (!world->lies)
		return FAILURES;
	return world->handles ? LIES "+handle" : LIES;
}

void world_begin(struct world *world, uint64_t seed, struct chip *chip, const char *folder)
{
	static const unsigned rates[] = {0, 10, 40, 120, 300};
	struct prng dice = prng_of(seed, 0x776f726c64);
	const char *log = getenv("FAULT_LOG");

	*world = (struct world){.seed = seed, .chip = chip};
	world->tpm = prng_below(&dice, 3) == 0;
	world->lies = prng_below(&dice, 3) == 0;
	world->handles = world->lies && prng_below(&dice, 3) == 0;
	world->manager = prng_below(&dice, 4) == 0;
	world->hsk_handle = prng_below(&dice, 2) ? 0x81000101u : 0;
	world->rate = rates[prng_below(&dice, 5)];
	(void)snprintf(world->path, sizeof(world->path), "%s/%llu", folder,
		       (unsigned long long)seed);
	/* Under the name of swtpm the engine takes it for a bare chip. */
	(void)snprintf(world->conf, sizeof(world->conf),
		       "%s:seed=%llu,manager=%d,kinds=%s%s%s:libtss2-tcti-swtpm.so.0:%s",
		       world->manager ? FAULT_TCTI : "swtpm", (unsigned long long)seed,
		       world->manager, kinds_of(world), log ? ",log=" : "", log ? log : "",
		       strchr(chip->conf, ':') + 1);
}

void world_end(struct world *world)
{
	world_close(world);
	(void)folder_remove_all(world->path);
}

/* A state in which anything is missing is no state to serve from. */
static int fault_of(const struct world *world, const struct state *state, struct err *err)
{
	if (state->fault.code)
		*err = state->fault;
	else if (!world->tpm && state->host_key_fault.code)
		*err = state->host_key_fault;
	else if (state->tpm_fault.code)
		*err = state->tpm_fault;
	else
		return 0;
	return err->code;
}

int world_open_state(struct world *world, struct err *err)
{
	struct state state = {.store = NULL};
	int r = state_open(world->path, &state, err);

	if (r < 0) {
		assert_null(state.store);
		return r;
	}
	r = fault_of(world, &state, err);
	if (r < 0) {
		state_fini(&state);
		return r;
	}
	world->state = state;
	return 0;
}

static bool has_marker(const struct world *world)
{
	char path[sizeof(world->path) + 32];

	(void)snprintf(path, sizeof(path), "%s/" STATE_TPM_USED, world->path);
	return access(path, F_OK) == 0;
}

static int open_tpm(struct world *world, struct provider **ret_provider, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *recorded = NULL;
	CLEANUP(buf_fini) struct buf fresh = BUF_INIT(TPM_STATE_MAX);
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	const struct tpm_options options = {
		.tcti = world->conf,
		.srk_type = PKEY_ECC_P256,
		.srk_handle = 0x81000002u,
		.hsk_handle = world->hsk_handle,
		.encrypt = true,
	};
	uint64_t damage = inject_damage();
	struct slice record;
	int r = state_tpm_read(world->state.store, &recorded, err);

	if (r < 0)
		return r;
	record = recorded ? secret_slice(recorded) : slice_of(NULL, 0);
	r = tpm_provider_open(&options, world->state.auth_key, record, &p, &fresh, err);
	if (r < 0) {
		assert_null(p);
		return r;
	}
	r = state_tpm_write(world->state.store, buf_slice(&fresh), err);
	if (r < 0)
		return r;
	/* Without the marker a lost record counts as none; a bad disk may seem to have it. */
	assert_true(has_marker(world) || inject_damage() > damage);
	r = tpm_provider_commit(p, err);
	if (r == 0)
		*ret_provider = TAKE(p);
	return r;
}

int world_open_provider(struct world *world, struct err *err)
{
	struct provider *p = NULL;
	uint64_t faults = control->injected;
	int r = world->tpm ? open_tpm(world, &p, err) : legacy_open(world->state.host_key, &p, err);

	if (r < 0) {
		assert_null(p);
		return r;
	}
	if (!world->known.root_len) {
		memcpy(world->known.root, p->root, p->root_len);
		world->known.root_len = p->root_len;
	}
	assert_int_equal(world->known.root_len, p->root_len);
	assert_memory_equal(world->known.root, p->root, p->root_len);
	world->chip_faults_at = faults;
	world->p = p;
	return 0;
}

void world_close_provider(struct world *world)
{
	provider_free(TAKE(world->p));
}

void world_close(struct world *world)
{
	world_close_provider(world);
	if (!world->state.store)
		return;
	state_fini(&world->state);
	world->state = (struct state){.store = NULL};
}

/* TPM2_EvictControl by the owner, whose password is empty. */
void world_evict(const struct chip *chip, uint32_t handle)
{
	const uint8_t h[] = {(uint8_t)(handle >> 24), (uint8_t)(handle >> 16),
			     (uint8_t)(handle >> 8), (uint8_t)handle};
	const uint8_t command[] = {0x80, 0x02, 0,    0,	   0,	 35,   0, 0,	0x01, 0x20, 0x40, 0,
				   0,	 1,    h[0], h[1], h[2], h[3], 0, 0,	0,    9,    0x40, 0,
				   0,	 9,    0,    0,	   0,	 0,    0, h[0], h[1], h[2], h[3]};
	TSS2_TCTI_CONTEXT *tcti = NULL;
	uint8_t answer[4096];
	size_t len = sizeof(answer);
	char conf[256];

	(void)snprintf(conf, sizeof(conf), "libtss2-tcti-swtpm.so.0:%s",
		       strchr(chip->conf, ':') + 1);
	assert_int_equal(Tss2_TctiLdr_Initialize(conf, &tcti), 0);
	assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(command), command), 0);
	assert_int_equal(Tss2_Tcti_Receive(tcti, &len, answer, TSS2_TCTI_TIMEOUT_BLOCK), 0);
	Tss2_TctiLdr_Finalize(&tcti);
}

unsigned world_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}
