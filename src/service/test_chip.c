/* SPDX-License-Identifier: Apache-2.0 */
/* The chip that is played. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int chip_call(struct provider *p, struct err *err)
{
	struct chip *chip = (struct chip *)p;

	chip->calls++;
	chip->deadline_missing |= p->deadline_us == 0;
	return chip->fails_with ? err_set(err, chip->fails_with, "as told") : 0;
}

/* Calls in their order: the first byte of a piece, or what is said here. */
static void note(struct provider *p, char what)
{
	struct chip *chip = (struct chip *)p;

	if (chip->noted < sizeof(chip->notes) - 1)
		chip->notes[chip->noted++] = what;
}

static int chip_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	note(p, 'r');
	memset(ret_bytes, 'r', len);
	return chip_call(p, err);
}

static int chip_seal(struct provider *p, struct slice header, const struct secret *plain,
		     struct buf *ret_object, struct err *err)
{
	(void)header;
	buf_put(ret_object, secret_slice(plain));
	return chip_call(p, err);
}

static int chip_unseal(struct provider *p, struct slice header, struct slice object,
		       struct secret **ret_plain, struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	return r < 0 ? r : secret_copy(object, ret_plain, err);
}

/* "Unseals" its private part. */
static int chip_unseal_loadable(struct provider *p, const struct provider_loadable *object,
				struct secret **ret_plain, struct err *err)
{
	int r = chip_call(p, err);

	((struct chip *)p)->parent = object->parent_handle;
	return r < 0 ? r : secret_copy(object->private_part, ret_plain, err);
}

static void chip_forget(struct provider *p, struct slice object)
{
	(void)object;
	((struct chip *)p)->forgotten++;
}

static void chip_status(struct provider *p, struct provider_status *ret_status)
{
	const struct chip *chip = (const struct chip *)p;

	*ret_status = (struct provider_status){
		.manufacturer = "TEST", .commands = chip->calls, .fault = chip->fault};
}

/* --- keys --- */

/* A pair of the type, always the same; RSA keys are not generated, since nobody uses them. */
static int chip_public(enum pkey_type type, struct key_result *ret_key, struct err *err)
{
	static struct pkey *pairs[PKEY_TYPES];
	static uint8_t modulus[384];
	int r = 0;

	memset(modulus, 0xc5, sizeof(modulus));
	if (!pairs[type] && pkey_type_is_rsa(type))
		r = pkey_from_rsa(slice_of(modulus, type == PKEY_RSA_2048 ? 256 : 384), 65537,
				  &pairs[type], err);
	else if (!pairs[type])
		r = pkey_generate(type, &pairs[type], err);
	return r < 0 ? r : pkey_to_spki(pairs[type], &ret_key->spki, err);
}

static void chip_made(struct key_result *ret_key)
{
	static const uint8_t NAME[34] = {0, 0x0b, 'n'};

	buf_put_str(&ret_key->object, "object");
	buf_put(&ret_key->name, slice_of(NAME, sizeof(NAME)));
	buf_put_str(&ret_key->public, "public");
}

static int chip_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
			   struct key_result *ret_key, struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	chip_made(ret_key);
	ret_key->type = spec->type;
	ret_key->uses = spec->uses;
	return r < 0 || (spec->uses & KEY_USE_MAC) ? r : chip_public(spec->type, ret_key, err);
}

static int chip_key_sign(struct provider *p, struct slice header, struct slice object,
			 const struct sign_request *request, struct buf *ret_signature,
			 struct err *err)
{
	static const uint8_t DER[] = {0x30, 6, 2, 1, 1, 2, 1, 1};

	(void)header;
	(void)object;
	(void)request;
	buf_put(ret_signature, slice_of(DER, sizeof(DER)));
	return chip_call(p, err);
}

static int chip_key_decrypt(struct provider *p, struct slice header, struct slice object,
			    const struct decrypt_request *request, struct secret **ret_plain,
			    struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	(void)object;
	return r < 0 ? r : secret_copy(request->label, ret_plain, err);
}

static int chip_key_agree(struct provider *p, struct slice header, struct slice object,
			  const struct pkey *peer, struct secret **ret_shared, struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	(void)object;
	(void)peer;
	return r < 0 ? r : secret_copy(slice_str("shared"), ret_shared, err);
}

static int chip_key_mac(struct provider *p, struct slice header, struct slice object,
			struct slice data, struct buf *ret_mac, struct err *err)
{
	(void)header;
	(void)object;
	(void)data;
	buf_put_str(ret_mac, "whole");
	return chip_call(p, err);
}

/* --- keys that stay in the chip --- */

static int chip_resident_sign(struct provider *p, struct slice header,
			      const struct provider_resident *key,
			      const struct sign_request *request, struct buf *ret_signature,
			      struct err *err)
{
	static const uint8_t DER[] = {0x30, 6, 2, 1, 1, 2, 1, 1};
	struct chip *chip = (struct chip *)p;

	(void)header;
	note(p, 's');
	while (chip->stands && chip->noted == chip->stands)
		usleep(100);
	memcpy(chip->digest, request->digest.data, request->digest.len);
	chip->digest_len = request->digest.len;
	chip->signer = key->handle;
	buf_put(ret_signature, slice_of(DER, sizeof(DER)));
	return chip_call(p, err);
}

static int chip_storage_key(struct provider *p, struct key_result *ret_key, struct err *err)
{
	struct chip *chip = (struct chip *)p;

	if (chip->fails_with)
		return err_set(err, chip->fails_with, "as told");
	ret_key->type = PKEY_ECC_P256;
	chip_made(ret_key);
	return chip_public(ret_key->type, ret_key, err);
}

/* "Opens" the duplicate. */
static int chip_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
		       struct secret **ret_plain, struct err *err)
{
	int r = chip_call(p, err);

	return r < 0 ? r : secret_copy(wrapped->private_area, ret_plain, err);
}

static int chip_storage_activate(struct provider *p, const struct credential *credential,
				 struct secret **ret_secret, struct err *err)
{
	int r = chip_call(p, err);

	return r < 0 ? r : secret_copy(credential->blob, ret_secret, err);
}

/* --- pieces --- */

struct pieces {
	size_t bytes;
};

static int chip_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
			     struct slice object, struct pieces **ret_pieces, struct err *err)
{
	struct chip *chip = (struct chip *)p;
	int r = chip_call(p, err);

	(void)header;
	(void)object;
	note(p, of == PIECES_MAC ? '<' : '{');
	if (r == 0 && chip->pieces_alive == PROVIDER_MESSAGES_MAX)
		r = err_set(err, ERR_TPM_BUSY, "no place for another message");
	if (r < 0)
		return r;
	*ret_pieces = calloc(1, sizeof(**ret_pieces));
	chip->pieces_alive++;
	if (chip->pieces_alive > chip->pieces_most)
		chip->pieces_most = chip->pieces_alive;
	return 0;
}

static int chip_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece,
			   struct err *err)
{
	struct chip *chip = (struct chip *)p;

	note(p, (char)piece.data[0]);
	pieces->bytes += piece.len;
	while (chip->stands && chip->noted == chip->stands)
		usleep(100);
	return chip_call(p, err);
}

static void chip_pieces_free(struct provider *p, struct pieces *pieces)
{
	((struct chip *)p)->pieces_alive--;
	note(p, '!');
	free(pieces);
}

static int chip_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
			   struct buf *ret_result, struct err *err)
{
	note(p, '>');
	buf_printf(ret_result, "%zu bytes", pieces->bytes + last.len);
	((struct chip *)p)->pieces_alive--;
	free(pieces);
	return chip_call(p, err);
}

/* --- attestation --- */

static int chip_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
			   struct key_result *ret_key, struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	chip_made(ret_key);
	return r < 0 ? r : chip_public(spec->type, ret_key, err);
}

static int chip_aik_sign(struct provider *p, struct slice header, struct slice object,
			 struct slice message, struct buf *ret_signature, struct err *err)
{
	(void)header;
	(void)object;
	buf_put(ret_signature, message);
	return chip_call(p, err);
}

/* ECDSA over SHA-256, r and s of one byte. */
static void chip_says(struct attestation *ret_said)
{
	static const uint8_t SIGNATURE[] = {0, 0x18, 0, 0x0b, 0, 1, 7, 0, 1, 9};

	buf_put_str(&ret_said->attest, "attest");
	buf_put(&ret_said->signature, slice_of(SIGNATURE, sizeof(SIGNATURE)));
}

static int chip_quote(struct provider *p, struct slice header, struct slice object,
		      const struct quote_request *request, struct attestation *ret_quote,
		      struct pcr_values *ret_values, struct err *err)
{
	(void)header;
	(void)object;
	chip_says(ret_quote);
	ret_values->selection = request->pcrs;
	memset(ret_values->digest, 0xab, sizeof(ret_values->digest));
	return chip_call(p, err);
}

static int chip_certify(struct provider *p, const struct provider_object *aik,
			const struct provider_object *key, struct slice nonce,
			struct attestation *ret_certified, struct err *err)
{
	(void)aik;
	(void)key;
	(void)nonce;
	chip_says(ret_certified);
	return chip_call(p, err);
}

static int chip_activate(struct provider *p, struct slice header, struct slice object,
			 const struct credential *credential, struct secret **ret_secret,
			 struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	(void)object;
	return r < 0 ? r : secret_copy(credential->blob, ret_secret, err);
}

static int chip_ek(struct provider *p, enum pkey_type type, struct ek_result *ret_ek,
		   struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct chip *chip = (struct chip *)p;
	int r = chip_call(p, err);

	ret_ek->type = type == PKEY_TYPES ? PKEY_ECC_P256 : type;
	ret_ek->handle = chip->certificate ? 0x81010001 : 0;
	buf_put_str(&ret_ek->public, "public");
	buf_put_str(&ret_ek->name, "name");
	if (chip->certificate)
		buf_put_str(&ret_ek->certificate, chip->certificate);
	else
		snprintf(ret_ek->remark, sizeof(ret_ek->remark), "it is of another key");
	buf_put(&ret_ek->chain, chip->chain);
	if (r == 0)
		r = chip_public(ret_ek->type, &key, err);
	buf_put(&ret_ek->spki, buf_slice(&key.spki));
	return r;
}

static int chip_pcrs(struct provider *p, const struct pcr_selection *selection,
		     struct pcr_values *ret_values, struct err *err)
{
	ret_values->selection = *selection;
	memset(ret_values->digest, 0xab, sizeof(ret_values->digest));
	return chip_call(p, err);
}

static int chip_pcr_banks(struct provider *p, struct pcr_selection *ret_banks, struct err *err)
{
	(void)err;
	*ret_banks = ((struct chip *)p)->banks;
	return 0;
}

const struct provider_ops CHIP = {
	.name = "tpm",
	.kind = PROVIDER_TPM,
	.protection = "tpm",
	.on_chip = true,
	.random = chip_random,
	.seal = chip_seal,
	.unseal = chip_unseal,
	.key_create = chip_key_create,
	.key_sign = chip_key_sign,
	.key_decrypt = chip_key_decrypt,
	.key_agree = chip_key_agree,
	.key_mac = chip_key_mac,
	.pieces_start = chip_pieces_start,
	.pieces_add = chip_pieces_add,
	.pieces_end = chip_pieces_end,
	.pieces_free = chip_pieces_free,
	.aik_create = chip_aik_create,
	.aik_sign = chip_aik_sign,
	.quote = chip_quote,
	.certify = chip_certify,
	.activate = chip_activate,
	.ek = chip_ek,
	.pcrs = chip_pcrs,
	.pcr_banks = chip_pcr_banks,
	.unseal_loadable = chip_unseal_loadable,
	.resident_sign = chip_resident_sign,
	.storage_key = chip_storage_key,
	.unwrap = chip_unwrap,
	.storage_activate = chip_storage_activate,
	.forget = chip_forget,
	.status = chip_status,
};
