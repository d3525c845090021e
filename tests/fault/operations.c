/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The operations, as the service runs them: provider part, crypto part, disk part. An output that a
 * failed call has touched is a fault.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keystore/keystore.h"
#include "tests/fault/inject.h"
#include "tests/fault/operations.h"
#include "tests/fault/script.h"

#define OPEN_TRIES 3u

static struct secret *const untouched = (struct secret *)(uintptr_t)0x70;

static struct keystore_target target_of(const struct script *script, enum blob_kind kind,
					const char *name)
{
	return (struct keystore_target){
		.tenant = &script->world->state.host, .kind = kind, .name = name};
}

static struct store_id id_of(enum store_kind kind, unsigned which)
{
	return (struct store_id){STATE_TENANT, kind, script_name(which)};
}

static struct store *store_of(const struct script *script)
{
	return script->world->state.store;
}

/* --- sealing and unsealing ----------------------------------------------------------------- */

static int seal(const struct script *script, const struct keystore_target *target,
		const struct secret *plain, struct buf *ret_blob, struct err *err)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};
	int r = keystore_seal_object(script->world->p, target, plain, &sealing, err);

	if (r < 0) {
		assert_null(sealing.key);
		assert_int_equal(sealing.object.len + sealing.header_bytes.len, 0);
		return r;
	}
	r = keystore_seal_finish(&sealing, plain, ret_blob, err);
	if (r < 0)
		assert_int_equal(ret_blob->len, 0);
	return r;
}

static int unseal(const struct script *script, const struct keystore_target *target,
		  struct slice blob, struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	struct secret *plain = untouched;
	bool is_key = false;
	int r = keystore_open_object(script->world->p, target, blob, &plain, &is_key, err);

	if (r < 0) {
		assert_ptr_equal(plain, untouched);
		return r;
	}
	if (!is_key) {
		*ret_plain = plain;
		return 0;
	}
	inner = plain;
	plain = untouched;
	r = keystore_open_finish(blob, inner, &plain, err);
	if (r < 0)
		assert_ptr_equal(plain, untouched);
	else
		*ret_plain = plain;
	return r;
}

static void run_seal(struct script *script)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	const struct keystore_target target = target_of(script, BLOB_SEALED, "");
	unsigned which = prng_below(&script->dice, SCRIPT_NAMES);
	int content = script->contents++;
	CLEANUP(secret_cleanup) struct secret *plain = script_content(script, content);
	struct err err;
	int r;

	script_live(script);
	r = seal(script, &target, plain, &blob, &err);
	script_calm(script);
	if (script_expect(script, r, &err) < 0)
		return;
	buf_reset(&script->blobs[which].bytes);
	buf_put(&script->blobs[which].bytes, buf_slice(&blob));
	script->blobs[which].content = content;
}

static void open_blob(struct script *script, unsigned which)
{
	const struct keystore_target target = target_of(script, BLOB_SEALED, "");
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct belief belief;
	struct err err;
	int r;

	if (!script->blobs[which].bytes.len)
		return;
	script_live(script);
	r = unseal(script, &target, buf_slice(&script->blobs[which].bytes), &plain, &err);
	script_calm(script);
	if (script_expect(script, r, &err) < 0)
		return;
	belief_set(&belief, script->blobs[which].content);
	(void)script_recognize(script, &belief, secret_slice(plain));
}

static void run_unseal(struct script *script)
{
	open_blob(script, prng_below(&script->dice, SCRIPT_NAMES));
}

/* --- records ------------------------------------------------------------------------------- */

/* A failure that tells that nothing happened leaves what was known; another one does not. */
static void outcome(struct belief *belief, int r, int what)
{
	if (r == 0)
		belief_set(belief, what);
	else if (r == ERR_INTERNAL)
		belief_add(belief, what);
}

/* What was acknowledged must have become durable: no sync of it failed. */
static void check_durable(int r, uint64_t sync_failures_before)
{
	if (r == 0)
		assert_int_equal(inject_sync_failures(), sync_failures_before);
}

static void put_secret(struct script *script, unsigned which)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	const struct keystore_target target = target_of(script, BLOB_SECRET, script_name(which));
	const struct store_id id = id_of(STORE_SECRETS, which);
	struct belief *belief = &script->secrets[which];
	int content = script->contents++;
	CLEANUP(secret_cleanup) struct secret *plain = script_content(script, content);
	uint64_t syncs = inject_sync_failures();
	bool created = false, stored = false;
	struct err err;
	int r;

	script_live(script);
	r = seal(script, &target, plain, &blob, &err);
	if (r == 0) {
		r = store_replace(store_of(script), &id, buf_slice(&blob), &created, &err);
		stored = true;
	}
	script_calm(script);
	(void)script_expect(script, r, &err);
	check_durable(r, syncs);
	assert_false(created && (r < 0 || !belief_has(belief, SCRIPT_ABSENT)));
	/* What was not there is made whole or not at all. */
	if (stored && !(r < 0 && belief->count == 1 && belief_has(belief, SCRIPT_ABSENT)))
		outcome(belief, r, content);
	if (belief->count == SCRIPT_BELIEFS)
		script_check_secret(script, which);
}

static void run_put(struct script *script)
{
	put_secret(script, prng_below(&script->dice, SCRIPT_NAMES));
}

/* 0 and the record; or what failed, when it may have, or when nothing is there. */
static int fetch(struct script *script, const struct store_id *id, struct belief *belief,
		 struct buf *ret_record, struct err *err)
{
	int r = store_read(store_of(script), id, ret_record, err);

	if (r < 0)
		assert_int_equal(ret_record->len, 0);
	if (r == ERR_NOT_FOUND) {
		assert_true(belief_has(belief, SCRIPT_ABSENT));
		belief_set(belief, SCRIPT_ABSENT);
	}
	return r;
}

static void get_secret(struct script *script, unsigned which)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	const struct keystore_target target = target_of(script, BLOB_SECRET, script_name(which));
	const struct store_id id = id_of(STORE_SECRETS, which);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct belief *belief = &script->secrets[which];
	struct err err;
	int r;

	script_live(script);
	r = fetch(script, &id, belief, &record, &err);
	if (r == 0)
		r = unseal(script, &target, buf_slice(&record), &plain, &err);
	script_calm(script);
	if (r == ERR_NOT_FOUND || script_expect(script, r, &err) < 0)
		return;
	belief_set(belief, script_recognize(script, belief, secret_slice(plain)));
}

static void run_get(struct script *script)
{
	get_secret(script, prng_below(&script->dice, SCRIPT_NAMES));
}

/* As after a deletion by a client: what was loaded goes too. */
static void forget(struct script *script, struct slice record)
{
	struct err ignored;
	struct blob blob;

	if (blob_parse(record, &blob, &ignored) == 0)
		provider_forget(script->world->p, blob.object);
}

static void delete_record(struct script *script, enum store_kind kind, unsigned which)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct belief *belief = kind == STORE_KEYS ? &script->keys[which] : &script->secrets[which];
	const struct store_id id = id_of(kind, which);
	uint64_t syncs = inject_sync_failures();
	struct err err;
	int r;

	r = store_read(store_of(script), &id, &record, &err);
	script_live(script);
	if (r == 0)
		forget(script, buf_slice(&record));
	r = store_remove(store_of(script), &id, &err);
	script_calm(script);
	check_durable(r, syncs);
	if (r == ERR_NOT_FOUND)
		assert_true(belief_has(belief, SCRIPT_ABSENT));
	else
		(void)script_expect(script, r, &err);
	if (r == 0)
		assert_false(belief->count == 1 && belief_has(belief, SCRIPT_ABSENT));
	outcome(belief, r == ERR_NOT_FOUND ? 0 : r, SCRIPT_ABSENT);
}

static void run_delete(struct script *script)
{
	delete_record(script, STORE_SECRETS, prng_below(&script->dice, SCRIPT_NAMES));
}

static void run_key_delete(struct script *script)
{
	delete_record(script, STORE_KEYS, prng_below(&script->dice, SCRIPT_NAMES));
}

/* --- keys ---------------------------------------------------------------------------------- */

/* What the record says; it was made while things failed, and must be right all the same. */
static int remember_key(struct script *script, const struct keystore_target *target,
			struct slice record, const struct key_spec *spec)
{
	struct keystore_key key = {.type = PKEY_TYPES};
	struct script_key *made = &script->made[script->made_count];
	struct err err;

	assert_true(script->made_count < SCRIPT_KEYS);
	assert_int_equal(keystore_key_describe(target, record, &key, &err), 0);
	assert_int_equal(key.type, PKEY_ECC_P256);
	assert_true(key.spki.len > 0 && key.spki.len <= SCRIPT_SPKI);
	memcpy(made->spki, key.spki.data, key.spki.len);
	made->spki_len = key.spki.len;
	made->exportable = spec->exportable;
	made->empty_auth = spec->empty_auth;
	keystore_key_fini(&key);
	return (int)script->made_count++;
}

/* Stores a new key's record; a name that is taken stays what it is. */
static void create_record(struct script *script, unsigned which, struct slice record, int key)
{
	const struct store_id id = id_of(STORE_KEYS, which);
	struct belief *belief = &script->keys[which];
	uint64_t syncs = inject_sync_failures();
	struct err err;
	int r;

	script_live(script);
	r = store_create(store_of(script), &id, record, &err);
	script_calm(script);
	check_durable(r, syncs);
	if (r == ERR_CONFLICT) {
		assert_false(belief->count == 1 && belief_has(belief, SCRIPT_ABSENT));
		return;
	}
	if (script_expect(script, r, &err) < 0)
		return;
	assert_true(belief_has(belief, SCRIPT_ABSENT));
	belief_set(belief, key);
}

static void run_key_create(struct script *script)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	unsigned which = prng_below(&script->dice, SCRIPT_NAMES);
	const struct keystore_target target = target_of(script, BLOB_KEY, script_name(which));
	struct key_spec spec = {.type = PKEY_ECC_P256};
	struct err err;
	int r;

	if (script->made_count == SCRIPT_KEYS)
		return;
	spec.exportable = prng_below(&script->dice, 2) == 0;
	spec.empty_auth = spec.exportable && prng_below(&script->dice, 3) == 0;
	script_live(script);
	r = keystore_key_create(script->world->p, &target, &spec, &record, &err);
	script_calm(script);
	if (r < 0)
		assert_int_equal(record.len, 0);
	if (script_expect(script, r, &err) < 0)
		return;
	create_record(script, which, buf_slice(&record),
		      remember_key(script, &target, buf_slice(&record), &spec));
}

/* The key that this signature is of, among those that may be there. */
static int recognize_key(const struct script *script, const struct belief *belief,
			 const struct sign_request *request, struct slice signature)
{
	unsigned i;

	for (i = 0; i < belief->count; i++) {
		CLEANUP(pkey_cleanup) struct pkey *public = NULL;
		const struct script_key *key = &script->made[belief->may[i]];
		struct err err;

		if (belief->may[i] == SCRIPT_ABSENT)
			continue;
		assert_int_equal(pkey_from_spki(slice_of(key->spki, key->spki_len), &public, &err),
				 0);
		if (pkey_verify(public, request->scheme, request->hash, request->digest, signature,
				&err) == 0)
			return belief->may[i];
	}
	fail_msg("a signature was served that verifies with no key that may be there");
	return SCRIPT_ABSENT;
}

static void sign_with(struct script *script, unsigned which)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	const struct keystore_target target = target_of(script, BLOB_KEY, script_name(which));
	const struct store_id id = id_of(STORE_KEYS, which);
	struct belief *belief = &script->keys[which];
	struct sign_request request = {.scheme = PKEY_ECDSA, .hash = HASH_SHA256};
	uint64_t digest[4];
	struct err err;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(digest); i++)
		digest[i] = prng_next(&script->dice);
	request.digest = slice_of(digest, sizeof(digest));
	script_live(script);
	r = fetch(script, &id, belief, &record, &err);
	if (r == 0)
		r = keystore_key_sign(script->world->p, &target, buf_slice(&record), &request,
				      &signature, &err);
	script_calm(script);
	if (r < 0)
		assert_int_equal(signature.len, 0);
	if (r == ERR_NOT_FOUND || script_expect(script, r, &err) < 0)
		return;
	belief_set(belief, recognize_key(script, belief, &request, buf_slice(&signature)));
}

static void run_sign(struct script *script)
{
	sign_with(script, prng_below(&script->dice, SCRIPT_NAMES));
}

static void keep_export(struct script *script, int key, struct buf *pem, struct secret *passphrase)
{
	buf_reset(&script->exported.pem);
	buf_put(&script->exported.pem, buf_slice(pem));
	secret_free(script->exported.passphrase);
	script->exported.passphrase = passphrase;
	script->exported.key = key;
}

static void run_key_export(struct script *script)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(16384);
	unsigned which = prng_below(&script->dice, SCRIPT_NAMES);
	const struct keystore_target target = target_of(script, BLOB_KEY, script_name(which));
	const struct store_id id = id_of(STORE_KEYS, which);
	const struct belief *belief = &script->keys[which];
	struct secret *passphrase = untouched;
	const struct script_key *key;
	struct err err;
	int r;

	sign_with(script, which); /* tells which key it is */
	if (belief->count != 1 || belief_has(belief, SCRIPT_ABSENT))
		return;
	key = &script->made[belief->may[0]];
	script_live(script);
	r = fetch(script, &id, &script->keys[which], &record, &err);
	if (r == 0)
		r = keystore_key_export(script->world->p, &target, buf_slice(&record), &pem,
					&passphrase, &err);
	script_calm(script);
	if (r < 0) {
		assert_int_equal(pem.len, 0);
		assert_ptr_equal(passphrase, untouched);
	}
	if (r == ERR_CONFLICT) {
		assert_false(key->exportable);
		return;
	}
	if (script_expect(script, r, &err) < 0)
		return;
	assert_true(key->exportable);
	assert_int_equal(passphrase == NULL, key->empty_auth);
	keep_export(script, belief->may[0], &pem, passphrase);
}

static void run_key_import(struct script *script)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	unsigned which = prng_below(&script->dice, SCRIPT_NAMES);
	const struct keystore_target target = target_of(script, BLOB_KEY, script_name(which));
	const struct key_spec spec = {.exportable = false};
	struct err err;
	int r;

	if (!script->exported.pem.len || script->made_count == SCRIPT_KEYS)
		return;
	script_live(script);
	r = keystore_key_import(script->world->p, &target,
				&(struct key_source){.pem = buf_slice(&script->exported.pem),
						     .passphrase = script->exported.passphrase},
				&record, &err);
	script_calm(script);
	if (r < 0)
		assert_int_equal(record.len, 0);
	if (script_expect(script, r, &err) < 0)
		return;
	create_record(script, which, buf_slice(&record),
		      remember_key(script, &target, buf_slice(&record), &spec));
}

/* --- the rest ------------------------------------------------------------------------------ */

static void run_random(struct script *script)
{
	uint8_t bytes[64] = {0}, zeros[64] = {0};
	size_t len = 16 + prng_below(&script->dice, 49);
	struct err err;
	int r;

	script_live(script);
	r = provider_random(script->world->p, bytes, len, &err);
	script_calm(script);
	assert_memory_equal(bytes + len, zeros, sizeof(bytes) - len);
	if (script_expect(script, r, &err) == 0)
		assert_memory_not_equal(bytes, zeros, len);
	else
		assert_memory_equal(bytes, zeros, len);
}

static void run_list(struct script *script)
{
	script_check_list(script);
}

static void list_kind(struct script *script, enum store_kind kind, const struct belief *beliefs)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(4096);
	bool listed[SCRIPT_NAMES] = {false}, more = false;
	size_t at = 0;
	struct err err;
	unsigned i;
	int r;

	script_live(script);
	r = store_list(store_of(script), STATE_TENANT, kind, "", 100, &names, &more, &err);
	script_calm(script);
	if (r < 0)
		assert_int_equal(names.len, 0);
	if (script_expect(script, r, &err) < 0)
		return;
	assert_false(more);
	while (at < names.len) {
		const char *name = (const char *)names.data + at;

		for (i = 0; i < SCRIPT_NAMES && strcmp(script_name(i), name) != 0; i++)
			continue;
		assert_true(i < SCRIPT_NAMES);
		listed[i] = true;
		at += strlen(name) + 1;
	}
	for (i = 0; i < SCRIPT_NAMES; i++) {
		bool surely_there = !belief_has(&beliefs[i], SCRIPT_ABSENT);
		bool surely_not = !surely_there && beliefs[i].count == 1;

		assert_false(listed[i] ? surely_not : surely_there);
	}
}

void script_check_list(struct script *script)
{
	list_kind(script, STORE_SECRETS, script->secrets);
	list_kind(script, STORE_KEYS, script->keys);
}

void script_check_secret(struct script *script, unsigned which)
{
	get_secret(script, which);
}

void script_check_key(struct script *script, unsigned which)
{
	sign_with(script, which);
}

void script_check_blob(struct script *script, unsigned which)
{
	open_blob(script, which);
}

static void open_state(struct script *script)
{
	struct err err;
	unsigned try;
	int r = -1;

	for (try = 0; r < 0 && try < OPEN_TRIES; try++) {
		script_live(script);
		r = world_open_state(script->world, &err);
		script_calm(script);
		/* What cannot be read may well be lost: the daemon then says so and waits. */
		if (r != ERR_AUTH_FAILED || inject_failures() == script->failures_before)
			(void)script_expect(script, r, &err);
	}
	script->failures_before = inject_failures() + world_chip_faults();
	if (r < 0)
		r = script_expect(script, world_open_state(script->world, &err), &err);
	assert_int_equal(r, 0);
}

void script_open_provider(struct script *script)
{
	struct err err;
	unsigned try;
	int r = -1;

	for (try = 0; r < 0 && try < OPEN_TRIES; try++) {
		script_live(script);
		r = world_open_provider(script->world, &err);
		script_calm(script);
		(void)script_expect(script, r, &err);
	}
	script->failures_before = inject_failures() + world_chip_faults();
	if (r < 0)
		r = script_expect(script, world_open_provider(script->world, &err), &err);
	assert_int_equal(r, 0);
}

void script_reopen(struct script *script)
{
	script_live(script);
	world_close(script->world);
	script_calm(script);
	open_state(script);
	script_open_provider(script);
}

static void run_reopen_provider(struct script *script)
{
	script_live(script);
	world_close_provider(script->world);
	script_calm(script);
	script_open_provider(script);
}

static void run_power_cut(struct script *script)
{
	chip_power_cut(script->world->chip);
	chip_power_on(script->world->chip);
}

const struct script_operation script_operations[] = {
	{"secret put", 14, false, run_put},
	{"secret get", 14, false, run_get},
	{"secret delete", 6, false, run_delete},
	{"seal", 8, false, run_seal},
	{"unseal", 12, false, run_unseal},
	{"key create", 8, false, run_key_create},
	{"key sign", 14, false, run_sign},
	{"key export", 5, false, run_key_export},
	{"key import", 4, false, run_key_import},
	{"key delete", 4, false, run_key_delete},
	{"message in pieces", 5, true, operation_message},
	{"import and agree", 5, true, operation_import},
	{"unwrap", 6, false, operation_unwrap},
	{"aik create", 5, true, operation_aik},
	{"quote", 5, true, operation_quote},
	{"certify", 5, true, operation_certify},
	{"aik message", 5, true, operation_aik_message},
	{"activate", 5, true, operation_activate},
	{"resident key", 5, true, operation_resident},
	{"erasure", 2, true, operation_erase},
	{"random", 3, false, run_random},
	{"list", 4, false, run_list},
	{"reopening of the store", 3, false, script_reopen},
	{"reopening of the provider", 3, false, run_reopen_provider},
	{"power cut", 2, true, run_power_cut},
};

const unsigned script_operation_count = ARRAY_LEN(script_operations);
