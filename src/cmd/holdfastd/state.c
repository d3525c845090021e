/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of making is host.key, auth.key, the tenant's id, then tpm.state, tpm.used and records.
 * So a missing auth.key with anything of the later ones present was lost, and one without was never
 * made; host.key exists whenever auth.key does, or was lost. tpm.used comes after tpm.state and
 * before the first use: being killed in between leaves no marker without a record.
 */
#include "cmd/holdfastd/state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "broker/broker.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"

#define RESTORE_AUTH                                                                               \
	"Restore auth.key from a backup of the state folder; without it nothing sealed so far "    \
	"opens. To start anew, empty the state folder."
#define RESTORE_HOST                                                                               \
	"Restore host.key from a backup of the state folder; without it nothing that the legacy "  \
	"provider sealed opens."

#define RESTORE_ID                                                                                 \
	"Restore tenants/host/id from a backup of the state folder; without it nothing sealed so " \
	"far opens."

#define RESTORE_TPM                                                                                \
	"Restore tpm.state from a backup of the state folder. To give up what the TPM sealed, "    \
	"remove tpm.used and tpm.used.copy as well."

#define KEPT_MAX	 99u
#define BROKER_KEY_LABEL "holdfast broker envelopes"

#define TPM_USED_TEXT "A TPM was used with this state folder.\n"

static int make_key(struct store *store, const char *name, struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r;

	r = secret_new(STATE_KEY_SIZE, &key, err);
	if (r < 0)
		return r;
	r = cipher_random(secret_data(key), STATE_KEY_SIZE, err);
	if (r < 0)
		return r;
	r = store_twin_write(store, NULL, name, secret_slice(key), err);
	if (r < 0)
		return err_wrap(err, "cannot make %s", name);
	*ret_key = TAKE(key);
	return 0;
}

/* 0, ERR_NOT_FOUND, or ERR_UNREADABLE for whatever else is the matter with it. */
static int read_key(struct store *store, const char *name, struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r;

	r = store_twin_read(store, NULL, name, &key, err);
	if (r == ERR_NOT_FOUND)
		return r;
	if (r == 0 && secret_size(key) != STATE_KEY_SIZE)
		r = err_set(err, ERR_UNREADABLE, "it has a wrong size");
	if (r < 0) {
		err->code = ERR_UNREADABLE;
		return err_wrap(err, "%s cannot be read", name);
	}
	*ret_key = TAKE(key);
	return 0;
}

/*
 * Is a twin file there, readable or not? Fails when that cannot be told, for lack of memory or
 * descriptors: neither answer may then be guessed.
 */
static int has_twin(struct store *store, const char *tenant, const char *name, bool *ret_there,
		    struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *content = NULL;
	int r = store_twin_read(store, tenant, name, &content, err);

	if (r < 0 && r != ERR_NOT_FOUND && r != ERR_DAMAGED && r != ERR_UNREADABLE)
		return r;
	*ret_there = r != ERR_NOT_FOUND;
	return 0;
}

/* Was a TPM ever used with this folder? */
static int has_tpm(struct store *store, bool *ret_used, struct err *err)
{
	bool record = false, marker = false;
	int r = has_twin(store, NULL, STATE_TPM, &record, err);

	if (r == 0)
		r = has_twin(store, NULL, STATE_TPM_USED, &marker, err);
	if (r == 0)
		*ret_used = record || marker;
	return r;
}

/* Nothing was ever made with an auth.key here. */
static int is_pristine(struct store *store, bool *ret_pristine, struct err *err)
{
	bool any = false, used = false, id = false;
	int r;

	r = store_has_records(store, &any, err);
	if (r == 0)
		r = has_tpm(store, &used, err);
	if (r == 0)
		r = has_twin(store, STATE_TENANT, STATE_TENANT_ID, &id, err);
	if (r == 0)
		*ret_pristine = !any && !used && !id;
	return r;
}

/* A function may use its struct err and succeed; a fault is only what failed. */
static void set_fault(struct err *fault, const struct err *err, const char *remedy)
{
	*fault = *err;
	(void)err_add_remedy(fault, remedy);
}

/*
 * In a new state folder. host.key may be there already, when we were killed in between; while that
 * cannot be told there is no auth.key either, or host.key would count as lost ever after.
 */
static int make_keys(struct state *state, struct err *err)
{
	int r;

	if (state->host_key_fault.code != 0 && state->host_key_fault.code != ERR_AUTH_FAILED) {
		state->fault = state->host_key_fault;
		return 0;
	}
	if (state->host_key_fault.code == ERR_AUTH_FAILED) {
		r = make_key(state->store, STATE_HOST_KEY, &state->host_key, err);
		if (r < 0)
			return r;
		state->host_key_fault = (struct err){.code = 0};
	}
	return make_key(state->store, STATE_AUTH_KEY, &state->auth_key, err);
}

static void open_host_key(struct state *state)
{
	struct err err;
	int r = read_key(state->store, STATE_HOST_KEY, &state->host_key, &err);

	if (r == ERR_NOT_FOUND)
		(void)err_set(&err, ERR_AUTH_FAILED, "host.key is lost");
	if (r < 0)
		set_fault(&state->host_key_fault, &err, RESTORE_HOST);
}

/* Reads both keys; leaves faults behind and fails only when new ones cannot be written. */
static int open_keys(struct state *state, const struct err *reason, struct err *err)
{
	bool pristine = false;
	struct err fault;
	int r;

	open_host_key(state);
	r = read_key(state->store, STATE_AUTH_KEY, &state->auth_key, &fault);
	if (r == ERR_NOT_FOUND) {
		r = is_pristine(state->store, &pristine, &fault);
		if (r == 0 && pristine && !reason)
			return make_keys(state, err);
		if (r == 0 && pristine) {
			state->fault = *reason;
			return 0;
		}
		if (r == 0)
			r = err_set(&fault, ERR_AUTH_FAILED,
				    "auth.key is lost, and there are objects made with it");
	}
	if (r < 0)
		set_fault(&state->fault, &fault, RESTORE_AUTH);
	return 0;
}

/* The keystore misses an id only where records are; a TPM was never used before there was one. */
static int check_id(const struct state *state, struct err *err)
{
	bool id = false, used = false;
	int r = has_twin(state->store, STATE_TENANT, STATE_TENANT_ID, &id, err);

	if (r == 0 && !id)
		r = has_tpm(state->store, &used, err);
	if (r < 0 || !used)
		return r;
	return err_set(err, ERR_UNREADABLE,
		       "the id of the tenant is gone, and a TPM was used here");
}

/* As the store derives the key of its MACs, with another label. */
static int derive_broker_key(struct state *state, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct slice label = slice_str(BROKER_KEY_LABEL);
	int r = secret_new(BROKER_KEY_SIZE, &key, err);

	if (r == 0)
		r = hash_hmac(HASH_SHA256, secret_slice(state->auth_key), &label, 1,
			      secret_data(key), err);
	if (r == 0)
		state->broker_key = TAKE(key);
	return r;
}

static int open_tenant(struct state *state, struct err *err)
{
	struct err fault;
	int r;

	if (state->fault.code != 0)
		return 0;
	r = store_set_key(state->store, state->auth_key, err);
	if (r == 0)
		r = derive_broker_key(state, err);
	if (r < 0)
		return r;
	r = check_id(state, &fault);
	if (r == 0)
		r = keystore_tenant_open(state->store, STATE_TENANT, &state->host, &fault);
	/* A full disk, say, is not mended by a backup. */
	if (r < 0)
		set_fault(&state->fault, &fault, r == ERR_UNREADABLE ? RESTORE_ID : NULL);
	return 0;
}

/* --- the record of the TPM --- */

static int no_record(struct store *store, struct err *err)
{
	bool used = false;
	int r = has_twin(store, NULL, STATE_TPM_USED, &used, err);

	if (r < 0 || !used)
		return r;
	return err_set(err, ERR_UNREADABLE, "tpm.state is lost, and a TPM was used here");
}

int state_tpm_read(struct store *store, struct secret **ret_recorded, struct err *err)
{
	int r = store_twin_read(store, NULL, STATE_TPM, ret_recorded, err);

	if (r == ERR_NOT_FOUND)
		r = no_record(store, err);
	else if (r < 0)
		(void)err_wrap(err, "reading the record of the TPM");
	if (r == ERR_DAMAGED)
		r = err->code = ERR_UNREADABLE;
	return r == ERR_UNREADABLE ? err_add_remedy(err, RESTORE_TPM) : r;
}

int state_tpm_write(struct store *store, struct slice record, struct err *err)
{
	bool used = false;
	int r = 0;

	if (record.len > 0)
		r = store_twin_write(store, NULL, STATE_TPM, record, err);
	if (r == 0)
		r = has_twin(store, NULL, STATE_TPM_USED, &used, err);
	if (r == 0 && !used)
		r = store_twin_write(store, NULL, STATE_TPM_USED, slice_str(TPM_USED_TEXT), err);
	return r < 0 ? err_wrap(err, "recording the TPM") : 0;
}

/* What no twin file has: STATE_TPM, a dot, and the time. Further ones of a second are counted. */
static int free_name(struct store *store, char ret_name[static STORE_NAME_MAX + 1], struct err *err)
{
	time_t now = time(NULL);
	bool taken = true;
	unsigned n;
	struct tm tm;
	char when[32];
	int r;

	if (!gmtime_r(&now, &tm) || strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return err_set(err, ERR_INTERNAL, "the clock tells no time");
	for (n = 1; n <= KEPT_MAX; n++) {
		int len = snprintf(ret_name, STORE_NAME_MAX + 1, STATE_TPM ".%s", when);

		if (n > 1)
			(void)snprintf(ret_name + len, STORE_NAME_MAX + 1 - (size_t)len, "-%u", n);
		r = has_twin(store, NULL, ret_name, &taken, err);
		if (r < 0 || !taken)
			return r;
	}
	return err_set(err, ERR_CONFLICT, "too many old records of the TPM were kept");
}

/* A record that can be read is copied, so that it stays until the new one takes its place. */
static int keep_record(struct store *store, const char *kept, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *old = NULL;
	int r = store_twin_read(store, NULL, STATE_TPM, &old, err);

	if (r == 0)
		return store_twin_write(store, NULL, kept, secret_slice(old), err);
	if (r == ERR_DAMAGED || r == ERR_UNREADABLE)
		return store_twin_set_aside(store, STATE_TPM, kept, err);
	return r;
}

int state_tpm_replace(struct store *store, struct slice record,
		      char ret_kept[static STORE_NAME_MAX + 1], struct err *err)
{
	char kept[STORE_NAME_MAX + 1] = "";
	int r = free_name(store, kept, err);

	if (r == 0)
		r = keep_record(store, kept, err);
	if (r == ERR_NOT_FOUND)
		kept[0] = '\0';
	else if (r < 0)
		return err_wrap(err, "keeping the old record of the TPM");
	r = state_tpm_write(store, record, err);
	if (r == 0)
		memcpy(ret_kept, kept, sizeof(kept));
	return r;
}

static void check_tpm(struct state *state)
{
	CLEANUP(secret_cleanup) struct secret *recorded = NULL;
	struct err fault;

	if (state_tpm_read(state->store, &recorded, &fault) < 0)
		state->tpm_fault = fault;
}

int state_open_folder(const char *path, struct state *ret_state, struct err *err)
{
	struct store *store = NULL;
	int r = store_open(path, &store, err);

	if (r == 0)
		*ret_state = (struct state){.store = store};
	return r;
}

int state_open_keys(struct state *state, const struct err *reason, struct err *err)
{
	int r = open_keys(state, reason, err);

	if (r == 0)
		r = open_tenant(state, err);
	if (r == 0)
		check_tpm(state);
	return r;
}

int state_open(const char *path, struct state *ret_state, struct err *err)
{
	CLEANUP(state_fini) struct state state = {.store = NULL};
	int r = state_open_folder(path, &state, err);

	if (r == 0)
		r = state_open_keys(&state, NULL, err);
	if (r < 0)
		return r;
	*ret_state = state;
	state = (struct state){.store = NULL};
	return 0;
}

void state_fini(struct state *state)
{
	secret_free(state->auth_key);
	secret_free(state->broker_key);
	secret_free(state->host_key);
	store_free(state->store);
}
