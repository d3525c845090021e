/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A challenge is made like a duplicate: the secret in the place of the sensitive area, the Name of
 * the key that is asked about in the place of the object's (Part 1, 24.4).
 */

#include "wrap/credential.h"

#include "wrap/duplicate.h"
#include "wrap/impl.h"
#include "wrap/seed.h"

#define FILE_MAGIC   0xbadcc0deu /* of tpm2-tools */
#define FILE_VERSION 1u

/* TPMS_ID_OBJECT */
static int put_identity(const struct duplicate_wrapper *wrapper, const struct secret *secret,
			struct buf *ret_identity, struct err *err)
{
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(2 + CREDENTIAL_SECRET_MAX);

	buf_put_u16(&inside, (uint16_t)secret_size(secret));
	buf_put(&inside, secret_slice(secret));
	if (!buf_ok(&inside))
		return err_set(err, ERR_INTERNAL, "out of memory");
	return duplicate_wrap(wrapper, inside.data, inside.len, ret_identity, err);
}

static void put_file(struct slice identity, struct slice sealed, struct buf *ret_file)
{
	buf_put_u32(ret_file, FILE_MAGIC);
	buf_put_u32(ret_file, FILE_VERSION);
	buf_put_u16(ret_file, (uint16_t)identity.len);
	buf_put(ret_file, identity);
	buf_put_u16(ret_file, (uint16_t)sealed.len);
	buf_put(ret_file, sealed);
}

int credential_make(const struct wrap_public *ek, struct slice name, const struct secret *secret,
		    struct buf *ret_file, struct err *err)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(CREDENTIAL_FILE_MAX);
	CLEANUP(buf_fini) struct buf identity = BUF_INIT(CREDENTIAL_FILE_MAX);
	const struct seed_holder holder = {.key = ek->key, .x = ek->x, .use = "IDENTITY"};
	uint8_t seed[SEED_SIZE] = {0};
	const struct duplicate_wrapper wrapper = {
		.seed = slice_of(seed, sizeof(seed)), .name = name, .key_bits = ek->key_bits};
	int r;

	if (secret_size(secret) == 0 || secret_size(secret) > CREDENTIAL_SECRET_MAX)
		return err_set(err, ERR_INVALID, "a challenge hides 1 to %u bytes",
			       CREDENTIAL_SECRET_MAX);
	r = seed_make(&holder, seed, &sealed, err);
	if (r == 0)
		r = put_identity(&wrapper, secret, &identity, err);
	wipe(seed, sizeof(seed));
	if (r < 0)
		return r;
	put_file(buf_slice(&identity), buf_slice(&sealed), ret_file);
	return buf_ok(ret_file) ? 0 : err_set(err, ERR_INTERNAL, "no room for a challenge");
}
