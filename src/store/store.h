/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

/*
 * Store: the state folder (docs/STORE.md, normative). The folder itself is the index: a name
 * exists when its file does, so starting reads no record, however many there are. One process at
 * a time owns it (a lock file). Used by the pool's threads; holds no mutable state after
 * store_open() and store_set_key().
 *
 *   <state>/lock
 *   <state>/auth.key, host.key, tpm.state, tpm.used, tpm.state.TIME
 *                                              twin files, each with a second copy NAME.copy
 *   <state>/tenants/<tenant>/id                twin file: the tenant's random id
 *   <state>/tenants/<tenant>/{keys,secrets,aiks,persistent}/<name>   records
 *   <state>/spool/                             large data on their way, without a name
 *   <state>/removed/<tenant>.<time>.<n>        what a removed tenant had, until it is deleted
 *   <state>/quarantine/<tenant>.<kind>.<name>.<time> what could not be read and was deleted
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/spool.h"
#include "store/twin.h"

struct store;

/*
 * Opens or makes the folder (0700, owned by us: else ERR_UNREADABLE), takes the lock
 * (ERR_CONFLICT: another process has it) and sweeps what killed writers left behind. The texts name
 * the path and what to do: they are for a log, not for clients.
 */
int store_open(const char *path, struct store **ret_store, struct err *err) MUST_CHECK;
void store_free(struct store *store);
MEM_DEFINE_CLEANUP(store)

/*
 * Twin files: small, precious, in two copies with generation and checksum. Reading takes the newer
 * good copy and repairs the other. ERR_NOT_FOUND: both absent. ERR_DAMAGED or ERR_UNREADABLE:
 * something is there and none is good. Never overwritten then.
 * @tenant NULL: in the state folder itself.
 */
#define STORE_TWIN_MAX TWIN_MAX
int store_twin_read(struct store *store, const char *tenant, const char *name,
		    struct secret **ret_content, struct err *err) MUST_CHECK;
/*
 * Both copies durably, one after the other; makes the tenant's folder when needed. After a failure
 * either content may be read. One writer of a file at a time.
 */
int store_twin_write(struct store *store, const char *tenant, const char *name,
		     struct slice content, struct err *err) MUST_CHECK;

/* Both copies durably, whatever is in them, which takes no room on disk; absent is good. */
int store_twin_remove(struct store *store, const char *tenant, const char *name, struct err *err)
	MUST_CHECK;

/*
 * Gives a twin file of the state folder the name @aside, copy by copy, whatever is in them; then
 * NAME is absent. Cut off between the two, it can be repeated with another name. ERR_CONFLICT:
 * @aside exists.
 */
int store_twin_set_aside(struct store *store, const char *name, const char *aside, struct err *err)
	MUST_CHECK;

/*
 * Makes the folders of a tenant and its records, and makes them durable also where they are there
 * already. Once per start, before records are written: later writes sync only the last folder.
 */
int store_tenant_make(struct store *store, const char *tenant, struct err *err) MUST_CHECK;

/*
 * The names of all tenants that have a folder, in byte order, each ended by a NUL, appended to
 * @ret_names.
 */
int store_tenants(struct store *store, struct buf *ret_names, struct err *err) MUST_CHECK;

/*
 * Removes a tenant with all that it has, in one durable step; from then on the name is free. Its
 * files are deleted by store_sweep_removed(), now or at another start, which takes as long as there
 * are many. ERR_NOT_FOUND.
 */
int store_tenant_remove(struct store *store, const char *tenant, struct err *err) MUST_CHECK;
void store_sweep_removed(struct store *store);

/*
 * For a factory reset: erases entries of the state folder itself, files or whole folders, durably,
 * whatever is in them. Lists end with NULL; what is absent is good, and whatever cannot be erased
 * is an error, after which all may be repeated. The second erases all but the lock and @kept, of
 * at most STORE_KEPT_MAX. What the open store has of them is no longer to be used.
 */
#define STORE_KEPT_MAX 8u
int store_erase(struct store *store, const char *const *names, struct err *err) MUST_CHECK;
int store_erase_all(struct store *store, const char *const *kept, struct err *err) MUST_CHECK;

/*
 * Room for one large thing on its way, gone with its holder. It must be ciphertext: nothing else
 * ever comes into the state folder. ERR_DISK_FULL.
 */
int store_spool(struct store *store, struct spool **ret_spool, struct err *err) MUST_CHECK;

/* Is there any record of any tenant? Then keys must not be made anew. */
int store_has_records(struct store *store, bool *ret_any, struct err *err) MUST_CHECK;

/* The key of the records' MACs, derived from @root. Once, before records are used. */
int store_set_key(struct store *store, const struct secret *root, struct err *err) MUST_CHECK;

/* Records: whole files, "HFRC", version, content, HMAC-SHA-256 over both. */
enum store_kind { STORE_KEYS, STORE_SECRETS, STORE_AIKS, STORE_PERSISTENT, STORE_KINDS };

#define STORE_NAME_MAX	  128u
#define STORE_TENANT_MAX  63u
#define STORE_CONTENT_MAX (2u * 1024u * 1024u)

struct store_id {
	const char *tenant;
	enum store_kind kind;
	const char *name;
};

/* 1 to STORE_NAME_MAX of [A-Za-z0-9._-], no leading dot; tenants: 1 to 63 of [a-z0-9-]. */
bool store_name_ok(const char *name);
bool store_tenant_ok(const char *name);

/* ERR_NOT_FOUND, ERR_UNREADABLE, or ERR_DAMAGED when length or MAC are wrong. */
int store_read(struct store *store, const struct store_id *id, struct buf *ret_content,
	       struct err *err) MUST_CHECK;

/* ERR_CONFLICT when the name exists in any state, readable or not. */
int store_create(struct store *store, const struct store_id *id, struct slice content,
		 struct err *err) MUST_CHECK;

/*
 * Creates, or replaces a record that can be read. One that cannot is not overwritten: the call
 * returns its ERR_DAMAGED or ERR_UNREADABLE. *ret_created tells which happened.
 */
int store_replace(struct store *store, const struct store_id *id, struct slice content,
		  bool *ret_created, struct err *err) MUST_CHECK;

/* Removes durably. A record that cannot be read is moved to the quarantine instead. */
int store_remove(struct store *store, const struct store_id *id, struct err *err) MUST_CHECK;

/*
 * Names in byte order after @after ("" = from the start), at most @max of them (1 to
 * STORE_LIST_MAX), each ended by a NUL, appended to @ret_names. *ret_more: there are further ones.
 * An absent tenant has none.
 */
#define STORE_LIST_MAX 10000u
int store_list(struct store *store, const char *tenant, enum store_kind kind, const char *after,
	       size_t max, struct buf *ret_names, bool *ret_more, struct err *err) MUST_CHECK;

/*
 * How many records of a kind a tenant has, readable or not, and their bytes on disk: of each the
 * file's length, but at least STORE_BLOCK. An absent tenant has none. Reads the whole folder.
 */
#define STORE_BLOCK 4096u
struct store_usage {
	uint64_t records;
	uint64_t bytes;
};
int store_usage(struct store *store, const char *tenant, enum store_kind kind,
		struct store_usage *ret_usage, struct err *err) MUST_CHECK;

/* What a record of so much content adds to the bytes. */
uint64_t store_record_bytes(size_t content_len);

#endif
