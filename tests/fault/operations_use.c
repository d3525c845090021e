/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is done with keys beside signing digests. No disk has a part in it, so the provider is asked
 * itself; the keys live as long as the operation.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/inject.h"
#include "tests/fault/operations.h"

#define MESSAGES 2u
#define PIECES	 3u /* whole ones */
#define REST	 77u

static const struct slice header = {(const uint8_t *)"the header of a key", 19};

static void empty_after_failure(int r, const struct key_result *key)
{
	if (r < 0)
		assert_int_equal(key->object.len + key->spki.len + key->public.len, 0);
}

int operation_expect(struct script *script, int r, struct err *err)
{
	script_calm(script);
	if (r == ERR_CONFLICT)
		r = err->code = ERR_TPM_FAILED;
	return script_expect(script, r, err);
}

/* --- messages in pieces --------------------------------------------------------------------- */

static uint8_t message[PIECES * PROVIDER_PIECE_MAX + REST];

/* The same one twice, taking turns; both MACs are the same or not there. */
static int mac_twice(struct provider *p, struct slice object, struct buf macs[MESSAGES],
		     struct err *err)
{
	struct pieces *pieces[MESSAGES] = {NULL};
	unsigned i, n;
	int r = 0;

	for (i = 0; i < MESSAGES && r == 0; i++)
		r = provider_pieces_start(p, PIECES_MAC, header, object, &pieces[i], err);
	for (n = 0; n < MESSAGES * PIECES && r == 0; n++)
		r = provider_pieces_add(
			p, pieces[n % MESSAGES],
			slice_of(message + n / MESSAGES * PROVIDER_PIECE_MAX, PROVIDER_PIECE_MAX),
			err);
	for (i = 0; i < MESSAGES && r == 0; i++)
		r = provider_pieces_end(p, TAKE(pieces[i]),
					slice_of(message + sizeof(message) - REST, REST), &macs[i],
					err);
	for (i = 0; i < MESSAGES; i++)
		provider_pieces_free(p, pieces[i]);
	return r;
}

void operation_message(struct script *script)
{
	static const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct buf macs[MESSAGES] = {BUF_INIT(64), BUF_INIT(64)};
	struct provider *p = script->world->p;
	struct err err;
	int r;

	for (size_t i = 0; i < sizeof(message); i += 8)
		message[i] = (uint8_t)prng_next(&script->dice);
	script_live(script);
	r = provider_key_create(p, header, &spec, &key, &err);
	empty_after_failure(r, &key);
	if (r == 0)
		r = mac_twice(p, buf_slice(&key.object), macs, &err);
	if (operation_expect(script, r, &err) == 0) {
		assert_int_equal(macs[0].len, 32);
		assert_true(slice_equal(buf_slice(&macs[0]), buf_slice(&macs[1])));
	}
	provider_forget(p, buf_slice(&key.object));
	for (unsigned i = 0; i < MESSAGES; i++)
		buf_fini(&macs[i]);
}

/* --- a pair from outside --------------------------------------------------------------------- */

static int agree_and_compare(struct provider *p, const struct key_result *key,
			     const struct pkey *pair, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
	struct pkey_ecdh ecdh;
	int r = pkey_ecdh_ephemeral(pair, &ecdh, err);

	if (r == 0)
		r = pkey_from_ecc(PKEY_ECC_P256, slice_of(ecdh.x, ecdh.size),
				  slice_of(ecdh.y, ecdh.size), &peer, err);
	if (r == 0)
		r = provider_key_agree(p, header, buf_slice(&key->object), peer, &shared, err);
	if (r == 0)
		assert_true(slice_equal(secret_slice(shared), slice_of(ecdh.z, ecdh.size)));
	else
		assert_null(shared);
	return r;
}

void operation_import(struct script *script)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(4096);
	struct key_source source = {.uses = KEY_USE_AGREE};
	struct provider *p = script->world->p;
	struct err err;
	int r;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &err), 0);
	assert_int_equal(pkey_to_pkcs8_pem(pair, NULL, &pem, &err), 0);
	source.pem = buf_slice(&pem);
	script_live(script);
	r = provider_key_import(p, header, &source, &key, &err);
	empty_after_failure(r, &key);
	if (r == 0)
		r = agree_and_compare(p, &key, pair, &err);
	(void)operation_expect(script, r, &err);
	provider_forget(p, buf_slice(&key.object));
}
