/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the state folder of a daemon that is not running with keys of tenant host, named k00000
 * and so on, by the same functions that the daemon calls. With a chip, all but the first REAL are
 * copies of the first one's record: the store takes them for records, but nobody can sign with
 * them, since a record is bound to its name.
 *
 * The folder is thrown away after the bench, so fsync() is left out (by the linker's --wrap).
 *
 *   keys STATE TCTI FROM TO REAL	TCTI "-" = the legacy provider
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

static int make(const struct state *state, struct provider *p, const char *name,
		struct buf *ret_record, struct err *err)
{
	const struct keystore_target target = {
		.tenant = &state->host, .kind = BLOB_KEY, .name = name};
	const struct key_spec spec = {.type = PKEY_ECC_P256};

	return keystore_key_create(p, &target, &spec, ret_record, err);
}

struct range {
	unsigned from, to, real;
};

static int fill(const struct state *state, struct provider *p, const struct range *range,
		struct err *err)
{
	CLEANUP(buf_fini) struct buf copy = BUF_INIT(RECORD_MAX);
	char name[16];
	unsigned i;
	int r = 0;

	for (i = range->from; r == 0 && i < range->to; i++) {
		CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
		const struct store_id id = {
			.tenant = STATE_TENANT, .kind = STORE_KEYS, .name = name};

		(void)snprintf(name, sizeof(name), "k%05u", i);
		if (i < range->real)
			r = make(state, p, name, &record, err);
		else if (copy.len == 0)
			r = make(state, p, "k00000", &copy, err);
		if (r == 0)
			r = store_create(state->store, &id,
					 buf_slice(i < range->real ? &record : &copy), err);
	}
	return r;
}

int main(int argc, char **argv)
{
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	CLEANUP(state_fini) struct state state = {.store = NULL};
	struct range range;
	struct err err = {0};
	int r;

	if (argc != 6)
		bench_die("usage: keys STATE TCTI FROM TO REAL");
	range = (struct range){.from = (unsigned)strtoul(argv[3], NULL, 10),
			       .to = (unsigned)strtoul(argv[4], NULL, 10),
			       .real = (unsigned)strtoul(argv[5], NULL, 10)};
	r = state_open(argv[1], &state, &err);
	if (r == 0 && (state.fault.code || state.tpm_fault.code))
		bench_die("the state folder is not whole");
	if (r == 0)
		r = strcmp(argv[2], "-") == 0 ? legacy_open(state.host_key, &p, &err)
					      : open_chip(&state, argv[2], &p, &err);
	if (r == 0)
		r = fill(&state, p, &range, &err);
	if (r < 0)
		bench_die("keys: %s", err.text);
	return 0;
}
