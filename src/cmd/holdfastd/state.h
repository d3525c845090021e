/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_STATE_H
#define CMD_HOLDFASTD_STATE_H

/*
 * State: the precious files of the state folder. Each is made once, when nothing was ever made,
 * and never again: a lost one is a fault that the daemon reports while it stays up, because a new
 * one in its place would make everything sealed so far unreadable for good, and silently.
 */

#include "base/err.h"
#include "base/secret.h"
#include "keystore/keystore.h"
#include "store/store.h"

#define STATE_AUTH_KEY	"auth.key"
#define STATE_HOST_KEY	"host.key"
#define STATE_TPM	"tpm.state"
#define STATE_TPM_USED	"tpm.used" /* there from before the TPM is first used, for good */
#define STATE_KEY_SIZE	32u
#define STATE_TENANT	"host"
#define STATE_TENANT_ID "id"

struct state {
	struct store *store;
	struct secret *auth_key; /* authorises the provider's objects; NULL with a fault */
	/* of the envelopes that raw commands' saved contexts leave in; derived from auth_key */
	struct secret *broker_key;
	struct secret *host_key; /* root of the legacy provider; NULL with a host_key_fault */
	struct err fault;	 /* nothing stored can be used; code 0 = all is well */
	struct err host_key_fault;
	struct err tpm_fault; /* the record of the TPM is lost or unreadable */
	struct keystore_tenant host;
};

/*
 * Opens the folder, reads its keys, or makes them in a new one. Fails only when the folder cannot
 * be used at all; what is lost or unreadable inside is told by the faults.
 */
int state_open(const char *path, struct state *ret_state, struct err *err) MUST_CHECK;
/*
 * The same in two halves: the folder with its lock, in which no key was read; then all else. Where
 * no key was made, none is made now for @reason, which is the fault; NULL = there is no such.
 */
int state_open_folder(const char *path, struct state *ret_state, struct err *err) MUST_CHECK;
int state_open_keys(struct state *state, const struct err *reason, struct err *err) MUST_CHECK;
void state_fini(struct state *state);

/*
 * What was recorded of the TPM; *ret_recorded stays NULL when none was ever used here. Whatever
 * else there is instead of a good record is an error, never a reason to begin anew.
 */
int state_tpm_read(struct store *store, struct secret **ret_recorded, struct err *err) MUST_CHECK;

/* Durably, before anything is made with the TPM: @record when it has bytes, and that it is used. */
int state_tpm_write(struct store *store, struct slice record, struct err *err) MUST_CHECK;

/*
 * The same in the place of whatever record there is, which is kept under another name, told in
 * @ret_kept ("" when there was none). At every moment the old record or the new one can be read,
 * unless the old one could not be anyway.
 */
int state_tpm_replace(struct store *store, struct slice record,
		      char ret_kept[static STORE_NAME_MAX + 1], struct err *err) MUST_CHECK;

#endif
