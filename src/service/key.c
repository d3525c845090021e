/* SPDX-License-Identifier: Apache-2.0 */
#include "service/key.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"

static const struct {
	enum key_use use;
	const char *word;
} USES[] = {
	{KEY_USE_SIGN, "sign"},
	{KEY_USE_DECRYPT, "decrypt"},
	{KEY_USE_AGREE, "agree"},
	{KEY_USE_MAC, "mac"},
};
#define PAIR_USES 3u /* what a client may ask for, by these words */

const char *key_type_name(const struct keystore_key *key)
{
	return key->uses & KEY_USE_MAC ? KEY_TYPE_HMAC : pkey_type_name(key->type);
}

/* An HMAC key signs too, as far as clients are concerned. */
struct json_t *key_uses_json(unsigned uses)
{
	json_t *words = json_array();
	size_t i;

	if (uses & KEY_USE_MAC)
		uses = KEY_USE_SIGN;
	for (i = 0; words && i < PAIR_USES; i++) {
		if (!(uses & USES[i].use))
			continue;
		if (json_array_append_new(words, json_string(USES[i].word)) < 0) {
			json_free(words);
			words = NULL;
		}
	}
	return words;
}

static int use_of_word(const char *word, enum key_use *ret_use)
{
	size_t i;

	for (i = 0; word && i < PAIR_USES; i++)
		if (strcmp(word, USES[i].word) == 0) {
			*ret_use = USES[i].use;
			return 0;
		}
	return -1;
}

static unsigned uses_of_type(enum pkey_type type)
{
	if (type == PKEY_TYPES)
		return KEY_USE_SIGN;
	return KEY_USE_SIGN | (pkey_type_is_rsa(type) ? KEY_USE_DECRYPT : KEY_USE_AGREE);
}

static int refuse_use(enum pkey_type type, size_t i, struct err *err)
{
	if (type == PKEY_TYPES)
		return err_set(err, ERR_INVALID, "/use/%zu: an HMAC key is for sign alone", i);
	return err_set(err, ERR_INVALID, "/use/%zu: a key of type %s is for sign and %s", i,
		       pkey_type_name(type), pkey_type_is_rsa(type) ? "decrypt" : "agree");
}

int key_read_uses(const struct json_t *body, const enum pkey_type *type, unsigned *ret_uses,
		  struct err *err)
{
	const json_t *use = json_object_get(body, "use");
	unsigned uses = 0;
	enum key_use one;
	size_t i;

	if (!use)
		return 0;
	if (!json_is_array(use) || json_array_size(use) == 0)
		return err_set(err, ERR_INVALID, "/use: must be an array of words, not empty");
	for (i = 0; i < json_array_size(use); i++) {
		if (use_of_word(json_string_value(json_array_get(use, i)), &one) < 0)
			return err_set(err, ERR_INVALID,
				       "/use/%zu: must be \"sign\", \"decrypt\" or \"agree\"", i);
		if (uses & one)
			return err_set(err, ERR_INVALID, "/use/%zu: stands there twice", i);
		if (type && !(uses_of_type(*type) & one))
			return refuse_use(*type, i, err);
		uses |= one;
	}
	*ret_uses = type && *type == PKEY_TYPES ? KEY_USE_MAC : uses;
	return 0;
}

int key_read_hash(const struct json_t *body, enum hash_alg *ret_hash, struct err *err)
{
	const char *word = "sha256";
	int r;

	r = json_get_string(body, "hash", false, &word, err);
	if (r < 0)
		return r;
	r = hash_of_name(word, ret_hash, err);
	return r < 0 ? err_wrap(err, "/hash") : 0;
}

int key_read_digest(const struct json_t *body, enum hash_alg hash, uint8_t *ret_digest,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf digest = BUF_INIT(HASH_MAX_SIZE);
	size_t size = hash_size(hash);
	int r;

	r = json_get_bytes(body, "digest", true, &digest, err);
	if (r < 0 && r != ERR_TOO_LARGE)
		return r;
	if (r < 0 || digest.len != size)
		return err_set(err, ERR_INVALID, "/digest: %s has %zu bytes", hash_name(hash),
			       size);
	memcpy(ret_digest, digest.data, size);
	return 0;
}

static const char *word_of_use(enum key_use use)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(USES); i++)
		if (USES[i].use == use)
			return USES[i].word;
	return "";
}

int key_check_use(const char *name, const struct keystore_key *key, enum key_use use,
		  struct err *err)
{
	if (key->uses & use)
		return 0;
	return err_set(err, ERR_INVALID, "/use: the key %s of type %s lacks the use %s", name,
		       key_type_name(key), word_of_use(use));
}

int key_describe_for(const struct op *op, enum key_use use, struct keystore_key *ret_key,
		     struct err *err)
{
	const struct keystore_target target = op_target(op, BLOB_KEY);
	int r = keystore_key_describe(&target, buf_slice(&op->record.bytes), ret_key, err);

	return r < 0 ? r : key_check_use(op->name, ret_key, use, err);
}

int key_spki_pem(struct slice spki, struct buf *ret_pem, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	int r = pkey_from_spki(spki, &public, err);

	return r < 0 ? r : pkey_to_pem(public, ret_pem, err);
}

const char *key_protection(const struct blob_header *header)
{
	return header->provider == PROVIDER_TPM ? "tpm" : "software";
}

struct json_t *key_hex_json(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * bytes.len);

	if (bytes.len == 0)
		return json_null();
	hex_encode(&text, bytes);
	return buf_ok(&text) ? json_stringn((const char *)text.data, text.len) : NULL;
}

struct json_t *key_handle_json(uint32_t handle)
{
	char text[sizeof("0x81010001")];

	if (handle == 0)
		return json_null();
	(void)snprintf(text, sizeof(text), "0x%08x", handle);
	return json_string(text);
}
