/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pair from outside becomes a duplicate (Part 1, "Protected Storage", 23.3) with an outer wrapper
 * that only the HSK opens, and TPM2_Import turns that into an object of the chip. The authValue is
 * inside from the start. Nothing stands in clear on the way, with or without parameter encryption.
 *
 * Such an object is not fixedTPM, but without a policy TPM2_Duplicate refuses it all the same.
 */

#include <string.h>
#include <tss2/tss2_mu.h>

#include "crypto/cipher.h"
#include "crypto/pkey_parts.h"
#include "tpm/impl.h"

#define CFB_KEY_SIZE 16u
#define RSA_EXPONENT 65537u /* which stands as 0 in a public area (Part 2, 12.2.3.5) */

struct op_import {
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE duplicate, private;
	TPM2B_ENCRYPTED_SECRET seed;
};

/* --- the public area ----------------------------------------------------------------------- */

static int unique_rsa(const struct pkey *pair, TPM2B_PUBLIC_KEY_RSA *ret_modulus, struct err *err)
{
	struct pkey_modulus modulus;
	int r = pkey_modulus(pair, &modulus, err);

	if (r < 0)
		return r;
	if (modulus.exponent != RSA_EXPONENT)
		return err_set(err, ERR_NOT_SUPPORTED, "a TPM takes RSA keys with exponent %u only",
			       RSA_EXPONENT);
	ret_modulus->size = (UINT16)modulus.size;
	memcpy(ret_modulus->buffer, modulus.bytes, modulus.size);
	return 0;
}

static int unique_ecc(const struct pkey *pair, TPMS_ECC_POINT *ret_point, struct err *err)
{
	struct pkey_point point;
	int r = pkey_point(pair, &point, err);

	if (r == 0)
		public_point(&point, ret_point);
	return r;
}

static int public_of(const struct pkey *pair, unsigned uses, TPM2B_PUBLIC *ret_public,
		     struct err *err)
{
	TPMT_PUBLIC *area = &ret_public->publicArea;
	int r;

	if (uses & ENGINE_MAC)
		return err_set(err, ERR_INVALID, "a pair makes no MACs");
	r = public_key(pkey_type(pair), uses, ret_public, err);
	if (r < 0)
		return r;
	area->objectAttributes &= ~PUBLIC_VOUCHED;
	return area->type == TPM2_ALG_RSA ? unique_rsa(pair, &area->unique.rsa, err)
					  : unique_ecc(pair, &area->unique.ecc, err);
}

/* --- the duplicate ------------------------------------------------------------------------- */

/* The plain sensitive area; wiped at the end of its scope. */
struct plain {
	TPM2B_SENSITIVE area;
	uint8_t bytes[sizeof(TPM2B_SENSITIVE)];
	size_t len;
};

static void plain_wipe(struct plain *plain)
{
	wipe(plain, sizeof(*plain));
}

/* The scalar, or one of the two primes: the chip finds the other (Part 2, 11.2.4.7). */
static int put_private(const struct pkey *pair, TPMT_SENSITIVE *area, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *part = NULL;
	TPM2B_PRIVATE_KEY_RSA *prime = &area->sensitive.rsa;
	TPM2B_ECC_PARAMETER *scalar = &area->sensitive.ecc;
	int r = pkey_private_part(pair, &part, err);

	if (r < 0)
		return r;
	if (pkey_type_is_rsa(pkey_type(pair))) {
		area->sensitiveType = TPM2_ALG_RSA;
		prime->size = (UINT16)secret_size(part);
		memcpy(prime->buffer, secret_data(part), prime->size);
	} else {
		area->sensitiveType = TPM2_ALG_ECC;
		scalar->size = (UINT16)secret_size(part);
		memcpy(scalar->buffer, secret_data(part), scalar->size);
	}
	return 0;
}

static int plain_make(const struct pkey *pair, struct slice auth, struct plain *ret_plain,
		      struct err *err)
{
	TPMT_SENSITIVE *area = &ret_plain->area.sensitiveArea;

	if (auth.len > sizeof(area->authValue.buffer))
		return err_set(err, ERR_INVALID, "a password is longer than the TPM takes");
	area->authValue.size = (UINT16)auth.len;
	if (auth.len)
		memcpy(area->authValue.buffer, auth.data, auth.len);
	return put_private(pair, area, err);
}

static int plain_marshal(struct plain *plain, struct err *err)
{
	if (Tss2_MU_TPM2B_SENSITIVE_Marshal(&plain->area, plain->bytes, sizeof(plain->bytes),
					    &plain->len))
		return err_set(err, ERR_INTERNAL, "a private key does not fit");
	return 0;
}

/* Keys from the seed, then encryption, then the HMAC over that and the Name (Part 1, 23.3.2.3). */
static int wrap(const uint8_t seed[SESSION_HASH_SIZE], const struct engine_name *name,
		struct plain *plain, TPM2B_PRIVATE *ret_duplicate, struct err *err)
{
	static const uint8_t zero_iv[16];
	struct hash_kdfa storage = {
		.alg = HASH_SHA256,
		.key = slice_of(seed, SESSION_HASH_SIZE),
		.label = "STORAGE",
		.context_u = name_slice(name),
		.bits = CFB_KEY_SIZE * 8,
	};
	struct hash_kdfa integrity = {
		.alg = HASH_SHA256,
		.key = storage.key,
		.label = "INTEGRITY",
		.bits = SESSION_HASH_SIZE * 8,
	};
	struct slice parts[] = {slice_of(plain->bytes, plain->len), name_slice(name)};
	uint8_t key[SESSION_HASH_SIZE], hmac[HASH_MAX_SIZE];
	struct buf out = BUF_INIT(sizeof(ret_duplicate->buffer));
	int r = hash_kdfa(&storage, key, err);

	if (r == 0)
		r = cipher_cfb128(key, zero_iv, true, plain->bytes, plain->len, err);
	if (r == 0)
		r = hash_kdfa(&integrity, key, err);
	if (r == 0)
		r = hash_hmac(HASH_SHA256, slice_of(key, sizeof(key)), parts, ARRAY_LEN(parts),
			      hmac, err);
	wipe(key, sizeof(key));
	if (r < 0)
		return r;
	buf_put_u16(&out, SESSION_HASH_SIZE);
	buf_put(&out, slice_of(hmac, SESSION_HASH_SIZE));
	buf_put(&out, parts[0]);
	r = buf_ok(&out) ? 0 : err_set(err, ERR_INTERNAL, "a private key does not fit");
	if (r == 0) {
		ret_duplicate->size = (UINT16)out.len;
		memcpy(ret_duplicate->buffer, out.data, out.len);
	}
	buf_fini(&out);
	return r;
}

/*
 * The public half of the HSK, by the record. While the HSK is persistent nothing else reads that
 * part of the record, and whoever could change it would be told every key that is imported.
 */
static int recorded_hsk(const struct engine *engine, TPM2B_PUBLIC *ret_hsk, struct err *err)
{
	const struct engine_roots *roots = &engine->roots;
	struct slice bytes = slice_of(roots->hsk_public, roots->hsk_public_len);
	struct engine_name name;
	int r = public_unmarshal(bytes, ret_hsk, err);

	if (r == 0)
		r = public_name(ret_hsk, &name, err);
	if (r == 0 && name_equal(&name, &roots->hsk))
		return 0;
	return roots_damaged("has another public half than its Name says", err);
}

static int duplicate(struct engine *engine, struct plain *plain, struct op_import *op,
		     struct err *err)
{
	uint8_t seed[SESSION_HASH_SIZE] = {0};
	struct engine_name name;
	TPM2B_PUBLIC hsk;
	int r = recorded_hsk(engine, &hsk, err);

	if (r == 0)
		r = public_name(&op->public, &name, err);
	if (r == 0)
		r = share_make(&hsk, "DUPLICATE", seed, &op->seed, err);
	if (r == 0)
		r = wrap(seed, &name, plain, &op->duplicate, err);
	wipe(seed, sizeof(seed));
	return r;
}

/* --- the command --------------------------------------------------------------------------- */

static TSS2_RC run_import(struct engine *engine, void *arg)
{
	static const TPMT_SYM_DEF_OBJECT no_inner = {.algorithm = TPM2_ALG_NULL};
	static const TPM2B_DATA no_key = {0};
	const struct resident_parent wanted = {.parent = ENGINE_HSK};
	struct op_import *op = arg;
	struct command command = {
		.code = TPM2_CC_Import,
		.name_count = 1,
		.authorised = true,
	};
	struct root hsk;
	TSS2_RC rc = resident_parent(engine, &wanted, &hsk, &command.auth);

	if (rc)
		return rc;
	command.names[0] = name_slice(&hsk.name);
	rc = Tss2_Sys_Import_Prepare(engine->line.sys, hsk.handle, &no_key, &op->public,
				     &op->duplicate, &op->seed, &no_inner);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Import_Complete(engine->line.sys, &op->private);
	return rc;
}

int engine_import_key(struct engine *engine, const struct pkey *pair, unsigned uses,
		      struct slice auth, struct engine_made *ret_made, struct err *err)
{
	CLEANUP(plain_wipe) struct plain plain = {0};
	struct op_import import = {0};
	const struct engine_op op = {.what = "importing a key", .run = run_import, .arg = &import};
	int r = public_of(pair, uses, &import.public, err);

	if (r == 0)
		r = plain_make(pair, auth, &plain, err);
	if (r == 0)
		r = plain_marshal(&plain, err);
	if (r == 0)
		r = duplicate(engine, &plain, &import, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	return r < 0 ? r : made_marshal(&import.public, &import.private, ret_made, err);
}
