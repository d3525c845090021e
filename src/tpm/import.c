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

#include "crypto/pkey_parts.h"
#include "tpm/impl.h"
#include "wrap/duplicate.h"

#define RSA_EXPONENT 65537u /* which stands as 0 in a public area (Part 2, 12.2.3.5) */

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

static int wrap(const struct duplicate_wrapper *wrapper, struct plain *plain,
		TPM2B_PRIVATE *ret_duplicate, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(sizeof(ret_duplicate->buffer));
	int r = duplicate_wrap(wrapper, plain->bytes, plain->len, &out, err);

	if (r < 0)
		return r;
	ret_duplicate->size = (UINT16)out.len;
	memcpy(ret_duplicate->buffer, out.data, out.len);
	return 0;
}

static int duplicate(struct engine *engine, struct plain *plain, struct op_import *op,
		     struct err *err)
{
	uint8_t seed[SESSION_HASH_SIZE] = {0};
	struct duplicate_wrapper wrapper = {.seed = slice_of(seed, sizeof(seed))};
	struct engine_name name;
	TPM2B_PUBLIC hsk;
	int r = recorded_hsk(engine, &hsk, err);

	if (r == 0)
		r = public_name(&op->public, &name, err);
	if (r == 0)
		r = share_make(&hsk, "DUPLICATE", seed, &op->seed, err);
	if (r == 0) {
		wrapper.name = name_slice(&name);
		wrapper.key_bits = hsk.publicArea.parameters.asymDetail.symmetric.keyBits.aes;
		r = wrap(&wrapper, plain, &op->duplicate, err);
	}
	wipe(seed, sizeof(seed));
	return r;
}

/* --- the command --------------------------------------------------------------------------- */

TSS2_RC import_run(struct engine *engine, void *arg)
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

	op->rc = TSS2_RC_SUCCESS;
	if (rc)
		return rc;
	command.names[0] = name_slice(&hsk.name);
	rc = Tss2_Sys_Import_Prepare(engine->line.sys, hsk.handle, &no_key, &op->public,
				     &op->duplicate, &op->seed, &no_inner);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Import_Complete(engine->line.sys, &op->private);
	op->rc = rc;
	return rc;
}

int engine_import_key(struct engine *engine, const struct pkey *pair, unsigned uses,
		      struct slice auth, struct engine_made *ret_made, struct err *err)
{
	CLEANUP(plain_wipe) struct plain plain = {0};
	struct op_import import = {0};
	const struct engine_op op = {.what = "importing a key", .run = import_run, .arg = &import};
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
