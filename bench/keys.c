/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the state folder of a daemon that is not running with keys, named k00000 and so on, by the
 * same functions that the daemon calls: of tenant host, or of so many tenants, named t0000 and so
 * on. All but the first REAL of the first tenant are copies of the first one's record: the store
 * takes them for records, but nobody can sign with them, since a record is bound to its name and
 * tenant.
 *
 * The folder is thrown away after the bench, so fsync() is left out (by the linker's --wrap).
 *
 *   keys STATE TCTI FROM TO REAL [TENANTS]	TCTI "-" = the legacy provider
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "cmd/holdfastd/state.h"
#include "provider/legacy/legacy.h"
#include "provider/tpm/tpm.h"

#define RECORD_MAX (KEYSTORE_BLOB_MAX)

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

static int open_chip(const struct state *state, const char *tcti, struct provider **ret_provider,
		     struct err *err)
{
	const struct tpm_options options = {
		.tcti = tcti,
		.srk_type = PKEY_ECC_P256,
		.srk_handle = 0x81000002,
		.hsk_handle = 0x81000101,
		.encrypt = true,
	};
	CLEANUP(secret_cleanup) struct secret *recorded = NULL;
	CLEANUP(buf_fini) struct buf to_record = BUF_INIT(TPM_STATE_MAX);
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	int r = state_tpm_read(state->store, &recorded, err);

	if (r == 0)
		r = tpm_provider_open(&options, state->auth_key,
				      recorded ? secret_slice(recorded) : slice_of(NULL, 0), &p,
				      &to_record, err);
	if (r == 0)
		r = state_tpm_write(state->store, buf_slice(&to_record), err);
	if (r == 0)
		r = tpm_provider_commit(p, err);
	if (r == 0)
		*ret_provider = TAKE(p);
	return r;
}

static int make(const struct keystore_tenant *tenant, struct provider *p, const char *name,
		struct buf *ret_record, struct err *err)
{
	const struct keystore_target target = {.tenant = tenant, .kind = BLOB_KEY, .name = name};
	const struct key_spec spec = {.type = PKEY_ECC_P256};

	return keystore_key_create(p, &target, &spec, ret_record, err);
}

/* What is to be made, and the record that is copied once there is one. */
struct work {
	struct store *store;
	struct provider *p;
	unsigned from, to, real;
	struct buf copy;
};

static int fill(struct work *work, const struct keystore_tenant *tenant, unsigned real,
		struct err *err)
{
	char name[16];
	unsigned i;
	int r = 0;

	for (i = work->from; r == 0 && i < work->to; i++) {
		CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
		const struct store_id id = {
			.tenant = tenant->name, .kind = STORE_KEYS, .name = name};

		(void)snprintf(name, sizeof(name), "k%05u", i);
		if (i < real)
			r = make(tenant, work->p, name, &record, err);
		else if (work->copy.len == 0)
			r = make(tenant, work->p, "k00000", &work->copy, err);
		if (r == 0)
			r = store_create(work->store, &id,
					 buf_slice(i < real ? &record : &work->copy), err);
	}
	return r;
}

static int fill_tenants(struct work *work, unsigned tenants, struct err *err)
{
	struct keystore_tenant tenant;
	char name[16];
	unsigned i;
	int r = 0;

	for (i = 0; r == 0 && i < tenants; i++) {
		(void)snprintf(name, sizeof(name), "t%04u", i);
		r = keystore_tenant_open(work->store, name, &tenant, err);
		if (r == 0)
			r = fill(work, &tenant, i == 0 ? work->real : 0, err);
	}
	return r;
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	CLEANUP(state_fini) struct state state = {.store = NULL};
	struct work work = {.copy = BUF_INIT(RECORD_MAX)};
	struct err err = {0};
	int r;

	if (argc != 6 && argc != 7)
		bench_die("usage: keys STATE TCTI FROM TO REAL [TENANTS]");
	work.from = number(argv[3]);
	work.to = number(argv[4]);
	work.real = number(argv[5]);
	r = state_open(argv[1], &state, &err);
	if (r == 0 && (state.fault.code || state.tpm_fault.code))
		bench_die("the state folder is not whole");
	if (r == 0)
		r = strcmp(argv[2], "-") == 0 ? legacy_open(state.host_key, &p, &err)
					      : open_chip(&state, argv[2], &p, &err);
	work.store = state.store;
	work.p = p;
	if (r == 0)
		r = argc == 7 ? fill_tenants(&work, number(argv[6]), &err)
			      : fill(&work, &state.host, work.real, &err);
	buf_fini(&work.copy);
	if (r < 0)
		bench_die("keys: %s", err.text);
	return 0;
}
