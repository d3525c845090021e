/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asymmetric encryption: RSA-OAEP. As with signatures, a context of the default provider keeps
 * what the program sets, and encrypts; the service decrypts.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "openssl/key.h"

#define DIGEST_NAME_MAX 50u
#define LABEL_MAX	64u

struct asym {
	struct module *module;
	struct key *key;
	EVP_PKEY_CTX *ctx;
};

static void asym_free(struct asym *op)
{
	if (!op)
		return;
	EVP_PKEY_CTX_free(op->ctx);
	key_free(op->key);
	free(op);
}

static void *asym_new(void *data)
{
	struct asym *op = calloc(1, sizeof(*op));

	if (op)
		op->module = data;
	return op;
}

static void *duplicate(void *data)
{
	const struct asym *from = data;
	struct asym *to = asym_new(from->module);

	if (!to)
		return NULL;
	to->key = from->key ? key_hold(from->key) : NULL;
	to->ctx = from->ctx ? EVP_PKEY_CTX_dup(from->ctx) : NULL;
	if (!from->ctx || to->ctx)
		return to;
	asym_free(to);
	return NULL;
}

static int set_params(void *data, const OSSL_PARAM params[])
{
	struct asym *op = data;

	if (!params || !params->key)
		return 1;
	return op->ctx && EVP_PKEY_CTX_set_params(op->ctx, params) == 1;
}

static int get_params(void *data, OSSL_PARAM params[])
{
	struct asym *op = data;

	return op->ctx && EVP_PKEY_CTX_get_params(op->ctx, params) == 1;
}

static const OSSL_PARAM *described(void *data, void *module)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)module;
	return params;
}

static int init(void *data, void *given, const OSSL_PARAM params[])
{
	struct asym *op = data;
	struct key *key = given;

	if (!key || !key->pub)
		return 0;
	key_free(op->key);
	op->key = key_hold(key);
	EVP_PKEY_CTX_free(op->ctx);
	op->ctx = EVP_PKEY_CTX_new_from_pkey(module_inner(op->module), key->pub, NULL);
	return op->ctx && EVP_PKEY_encrypt_init(op->ctx) == 1 && set_params(op, params);
}

static int encrypt(void *data, unsigned char *sealed, size_t *ret_len, size_t room,
		   const unsigned char *plain, size_t len)
{
	struct asym *op = data;

	if (!op->ctx)
		return 0;
	*ret_len = room;
	return EVP_PKEY_encrypt(op->ctx, sealed, ret_len, plain, len) == 1;
}

/* --- decrypting --- */

/* OpenSSL's label is bytes, that of a TPM a text with its NUL. False for what is none. */
static bool label_of(const struct asym *op, char label[LABEL_MAX + 1], const char **ret_label)
{
	unsigned char *bytes = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_ptr(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, (void **)&bytes, 0),
		OSSL_PARAM_END,
	};
	size_t len;

	if (EVP_PKEY_CTX_get_params(op->ctx, params) != 1)
		return false;
	len = params[0].return_size;
	*ret_label = NULL;
	if (!bytes || len == 0)
		return true;
	if (len > LABEL_MAX || bytes[len - 1] != '\0' ||
	    strnlen((const char *)bytes, len) != len - 1)
		return false;
	memcpy(label, bytes, len);
	*ret_label = label;
	return true;
}

static const char *hash_of(const struct asym *op)
{
	char digest[DIGEST_NAME_MAX] = "", mgf1[DIGEST_NAME_MAX] = "";
	int mode = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &mode),
		OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, sizeof(digest)),
		OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)),
		OSSL_PARAM_END,
	};
	const char *hash;
	EVP_MD *md;

	if (EVP_PKEY_CTX_get_params(op->ctx, params) != 1 || mode != RSA_PKCS1_OAEP_PADDING ||
	    (mgf1[0] != '\0' && !key_same_digest(op->module, digest, mgf1)))
		return NULL;
	md = EVP_MD_fetch(module_inner(op->module), digest, NULL);
	hash = key_hash_name(md);
	EVP_MD_free(md);
	return hash;
}

static int decrypt(void *data, unsigned char *plain, size_t *ret_len, size_t room,
		   const unsigned char *sealed, size_t len)
{
	struct asym *op = data;
	const struct key_out out = {.data = plain, .room = room, .ret_len = ret_len};
	char text[LABEL_MAX + 1];
	const char *label, *hash;

	if (!op->ctx)
		return 0;
	if (!plain) {
		*ret_len = (size_t)EVP_PKEY_get_size(op->key->pub);
		return 1;
	}
	hash = hash_of(op);
	if (!hash || !label_of(op, text, &label))
		return module_fail(op->module, ERR_NOT_SUPPORTED,
				   "RSA decrypts by OAEP with SHA-256, SHA-384 or "
				   "SHA-512, also of MGF1, and a label that ends in a NUL");
	return key_decrypt(op->key, hash, label, slice_of(sealed, len), &out);
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_ASYM_CIPHER_NEWCTX, MODULE_FN(asym_new)},
	{OSSL_FUNC_ASYM_CIPHER_FREECTX, MODULE_FN(asym_free)},
	{OSSL_FUNC_ASYM_CIPHER_DUPCTX, MODULE_FN(duplicate)},
	{OSSL_FUNC_ASYM_CIPHER_ENCRYPT_INIT, MODULE_FN(init)},
	{OSSL_FUNC_ASYM_CIPHER_ENCRYPT, MODULE_FN(encrypt)},
	{OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT, MODULE_FN(init)},
	{OSSL_FUNC_ASYM_CIPHER_DECRYPT, MODULE_FN(decrypt)},
	{OSSL_FUNC_ASYM_CIPHER_GET_CTX_PARAMS, MODULE_FN(get_params)},
	{OSSL_FUNC_ASYM_CIPHER_GETTABLE_CTX_PARAMS, MODULE_FN(described)},
	{OSSL_FUNC_ASYM_CIPHER_SET_CTX_PARAMS, MODULE_FN(set_params)},
	{OSSL_FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS, MODULE_FN(described)},
	{0, NULL},
};

const OSSL_ALGORITHM cipher_algorithms[] = {
	{"RSA:rsaEncryption:1.2.840.113549.1.1.1", MODULE_PROPERTIES, functions, NULL},
	{NULL, NULL, NULL, NULL},
};
