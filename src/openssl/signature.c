/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature. Padding, salt, digest and the algorithm's identifier are the default provider's
 * business: each context of ours has one of its own beside it, for verification with the public
 * half, and what a program sets or asks goes there. So only the digest is left to be signed here,
 * and verification comes along.
 *
 * A message for the device's key is kept as long as it may be what TLS 1.3 signs, since the service
 * signs that for more tenants than a mere digest.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/tls.h"
#include "openssl/key.h"

#define NAME_MAX_LEN 50u /* of a digest, as OpenSSL has it */

struct signature {
	struct module *module;
	struct key *key;
	bool signs;
	EVP_MD_CTX *rules;  /* of operations with a message: the default provider's, .. */
	EVP_PKEY_CTX *ctx;  /* .. and what it knows; borrowed from @rules where there are */
	EVP_MD_CTX *digest; /* of a message that is signed */
	size_t message_len; /* over TLS_CONTENT_MAX: too long to be kept */
	uint8_t message[TLS_CONTENT_MAX];
};

static void clear(struct signature *op)
{
	if (!op->rules)
		EVP_PKEY_CTX_free(op->ctx);
	EVP_MD_CTX_free(op->rules);
	EVP_MD_CTX_free(op->digest);
	op->rules = NULL;
	op->ctx = NULL;
	op->digest = NULL;
	op->message_len = 0;
	wipe(op->message, sizeof(op->message));
}

static void signature_free(struct signature *op)
{
	if (!op)
		return;
	clear(op);
	key_free(op->key);
	free(op);
}
MEM_DEFINE_CLEANUP(signature)

static void *signature_new(void *data, const char *properties)
{
	struct signature *op = calloc(1, sizeof(*op));

	(void)properties;
	if (op)
		op->module = data;
	return op;
}

static bool copy_contexts(struct signature *to, const struct signature *from)
{
	if (from->rules) {
		to->rules = EVP_MD_CTX_new();
		if (!to->rules || !EVP_MD_CTX_copy_ex(to->rules, from->rules))
			return false;
		to->ctx = EVP_MD_CTX_get_pkey_ctx(to->rules);
	} else if (from->ctx) {
		to->ctx = EVP_PKEY_CTX_dup(from->ctx);
		if (!to->ctx)
			return false;
	}
	if (!from->digest)
		return true;
	to->digest = EVP_MD_CTX_new();
	return to->digest && EVP_MD_CTX_copy_ex(to->digest, from->digest);
}

static void *duplicate(void *data)
{
	const struct signature *from = data;
	CLEANUP(signature_cleanup) struct signature *to = signature_new(from->module, NULL);

	if (!to || !copy_contexts(to, from))
		return NULL;
	to->key = from->key ? key_hold(from->key) : NULL;
	to->signs = from->signs;
	to->message_len = from->message_len;
	memcpy(to->message, from->message, sizeof(to->message));
	return TAKE(to);
}

/* --- parameters --- */

static int set_params(void *data, const OSSL_PARAM params[])
{
	struct signature *op = data;

	if (!params || !params->key)
		return 1;
	return op->ctx && EVP_PKEY_CTX_set_params(op->ctx, params) == 1;
}

static int get_int(const struct signature *op, const char *name, int otherwise)
{
	int value = otherwise;
	OSSL_PARAM params[] = {OSSL_PARAM_int(name, &value), OSSL_PARAM_END};

	return EVP_PKEY_CTX_get_params(op->ctx, params) == 1 ? value : otherwise;
}

static int padding(const struct signature *op)
{
	return get_int(op, OSSL_SIGNATURE_PARAM_PAD_MODE, 0);
}

/* The default since OpenSSL 3.1: RSA_PSS_SALTLEN_AUTO_DIGEST_MAX. */
#define SALTLEN_AUTO_DIGEST_MAX (-4)

/* Where nobody named a salt, it is as long as TPMs make it; the identifier must say the same. */
static int settle_salt(const struct signature *op)
{
	int salt = RSA_PSS_SALTLEN_DIGEST, named;
	OSSL_PARAM params[] = {OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt),
			       OSSL_PARAM_END};

	if (!op->signs || key_type(op->key)[0] != 'R' || padding(op) != RSA_PKCS1_PSS_PADDING)
		return 1;
	named = get_int(op, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, salt);
	if (named != RSA_PSS_SALTLEN_AUTO && named != SALTLEN_AUTO_DIGEST_MAX)
		return 1;
	return EVP_PKEY_CTX_set_params(op->ctx, params) == 1;
}

static int get_params(void *data, OSSL_PARAM params[])
{
	struct signature *op = data;

	return op->ctx && settle_salt(op) && EVP_PKEY_CTX_get_params(op->ctx, params) == 1;
}

static const OSSL_PARAM *settable(void *data, void *module)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)module;
	return params;
}

static const OSSL_PARAM *gettable(void *data, void *module)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)module;
	return params;
}

/* --- beginning --- */

static bool take_key(struct signature *op, struct key *key)
{
	if (key) {
		key_free(op->key);
		op->key = key_hold(key);
	}
	clear(op);
	return op->key && op->key->pub;
}

static int begin(struct signature *op, struct key *key, const OSSL_PARAM params[], bool signs)
{
	if (!take_key(op, key))
		return 0;
	op->signs = signs;
	op->ctx = EVP_PKEY_CTX_new_from_pkey(module_inner(op->module), op->key->pub, NULL);
	return op->ctx && EVP_PKEY_verify_init(op->ctx) == 1 && set_params(op, params);
}

static int sign_init(void *data, void *key, const OSSL_PARAM params[])
{
	return begin(data, key, params, true);
}

static int verify_init(void *data, void *key, const OSSL_PARAM params[])
{
	return begin(data, key, params, false);
}

static bool begin_digest(struct signature *op)
{
	const EVP_MD *md = EVP_MD_CTX_get0_md(op->rules);

	if (!key_hash_name(md)) {
		(void)module_fail(op->module, ERR_NOT_SUPPORTED,
				  "it signs with SHA-256, SHA-384 and SHA-512");
		return false;
	}
	op->digest = EVP_MD_CTX_new();
	return op->digest && EVP_DigestInit_ex2(op->digest, md, NULL);
}

static int begin_message(struct signature *op, const char *md, struct key *key,
			 const OSSL_PARAM params[], bool signs)
{
	if (!take_key(op, key))
		return 0;
	op->signs = signs;
	op->rules = EVP_MD_CTX_new();
	if (!op->rules || EVP_DigestVerifyInit_ex(op->rules, &op->ctx, md, module_inner(op->module),
						  NULL, op->key->pub, NULL) != 1)
		return 0;
	return (!signs || begin_digest(op)) && set_params(op, params);
}

static int digest_sign_init(void *data, const char *md, void *key, const OSSL_PARAM params[])
{
	return begin_message(data, md, key, params, true);
}

static int digest_verify_init(void *data, const char *md, void *key, const OSSL_PARAM params[])
{
	return begin_message(data, md, key, params, false);
}

/* --- signing --- */

/* The service's name of the digest that was asked for; where none was, an ECDSA digest's length
 * says which it is. */
static const char *hash_of(const struct signature *op, size_t len)
{
	char name[NAME_MAX_LEN] = "";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, sizeof(name)),
		OSSL_PARAM_END,
	};
	const char *hash;
	EVP_MD *md;

	if (EVP_PKEY_CTX_get_params(op->ctx, params) == 1 && name[0] != '\0') {
		md = EVP_MD_fetch(module_inner(op->module), name, NULL);
		hash = md && (size_t)EVP_MD_get_size(md) == len ? key_hash_name(md) : NULL;
		EVP_MD_free(md);
		return hash;
	}
	if (key_type(op->key)[0] == 'R')
		return NULL;
	return len == 32 ? "sha256" : len == 48 ? "sha384" : len == 64 ? "sha512" : NULL;
}

static bool is_pss_of_chip(const struct signature *op, size_t len)
{
	char digest[NAME_MAX_LEN] = "", mgf1[NAME_MAX_LEN] = "";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest, sizeof(digest)),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)),
		OSSL_PARAM_END,
	};
	int salt;

	if (!settle_salt(op) || EVP_PKEY_CTX_get_params(op->ctx, params) != 1)
		return false;
	salt = get_int(op, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, RSA_PSS_SALTLEN_MAX);
	return (salt == RSA_PSS_SALTLEN_DIGEST || salt == (int)len) &&
	       key_same_digest(op->module, digest, mgf1);
}

/* The service's name of what is to be done with a digest; NULL with the error raised. */
static const char *scheme_of(const struct signature *op, size_t len)
{
	int mode;

	if (key_type(op->key)[0] == 'E')
		return "ecdsa";
	mode = padding(op);
	if (mode == RSA_PKCS1_PADDING)
		return "rsassa";
	if (mode == RSA_PKCS1_PSS_PADDING && is_pss_of_chip(op, len))
		return "rsapss";
	(void)module_fail(op->module, ERR_NOT_SUPPORTED,
			  "RSA signs by PKCS#1 v1.5, or by PSS with MGF1 of the same "
			  "hash and a salt as long as the digest");
	return NULL;
}

static int size_only(const struct signature *op, size_t *ret_len)
{
	int size = EVP_PKEY_get_size(op->key->pub);

	if (size <= 0)
		return 0;
	*ret_len = (size_t)size;
	return 1;
}

static int sign(void *data, unsigned char *signature, size_t *ret_len, size_t room,
		const unsigned char *digest, size_t len)
{
	struct signature *op = data;
	const struct key_out out = {.data = signature, .room = room, .ret_len = ret_len};
	const char *scheme, *hash;

	if (!op->ctx)
		return 0;
	if (!signature)
		return size_only(op, ret_len);
	scheme = scheme_of(op, len);
	hash = hash_of(op, len);
	if (scheme && !hash)
		return module_fail(op->module, ERR_NOT_SUPPORTED,
				   "it signs digests of SHA-256, SHA-384 and SHA-512, "
				   "and RSA must be told which it is");
	return scheme && key_sign(op->key, scheme, hash, slice_of(digest, len), &out);
}

static int digest_sign_update(void *data, const unsigned char *bytes, size_t len)
{
	struct signature *op = data;

	if (!op->digest)
		return 0;
	if (op->message_len <= TLS_CONTENT_MAX && len <= TLS_CONTENT_MAX - op->message_len) {
		if (len > 0)
			memcpy(op->message + op->message_len, bytes, len);
		op->message_len += len;
	} else {
		op->message_len = TLS_CONTENT_MAX + 1;
	}
	return EVP_DigestUpdate(op->digest, bytes, len);
}

/* The service hashes it with SHA-256, as the P-256 key of a device does it in TLS. */
static bool is_for_tls(const struct signature *op)
{
	return op->key->uri.device && op->message_len <= TLS_CONTENT_MAX &&
	       EVP_MD_CTX_get_size(op->digest) == 32 &&
	       tls_is_content(slice_of(op->message, op->message_len));
}

static int digest_sign_final(void *data, unsigned char *signature, size_t *ret_len, size_t room)
{
	struct signature *op = data;
	const struct key_out out = {.data = signature, .room = room, .ret_len = ret_len};
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!op->digest)
		return 0;
	if (!signature)
		return size_only(op, ret_len);
	if (is_for_tls(op))
		return key_sign_tls(op->key, slice_of(op->message, op->message_len), &out);
	if (!EVP_DigestFinal_ex(op->digest, digest, &len))
		return 0;
	return sign(op, signature, ret_len, room, digest, len);
}

/* --- verifying --- */

static int verify(void *data, const unsigned char *signature, size_t signature_len,
		  const unsigned char *digest, size_t len)
{
	struct signature *op = data;

	return op->ctx && EVP_PKEY_verify(op->ctx, signature, signature_len, digest, len) == 1;
}

static int digest_verify_update(void *data, const unsigned char *bytes, size_t len)
{
	struct signature *op = data;

	return op->rules && EVP_DigestVerifyUpdate(op->rules, bytes, len) == 1;
}

static int digest_verify_final(void *data, const unsigned char *signature, size_t len)
{
	struct signature *op = data;

	return op->rules && EVP_DigestVerifyFinal(op->rules, signature, len) == 1;
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_SIGNATURE_NEWCTX, MODULE_FN(signature_new)},
	{OSSL_FUNC_SIGNATURE_FREECTX, MODULE_FN(signature_free)},
	{OSSL_FUNC_SIGNATURE_DUPCTX, MODULE_FN(duplicate)},
	{OSSL_FUNC_SIGNATURE_SIGN_INIT, MODULE_FN(sign_init)},
	{OSSL_FUNC_SIGNATURE_SIGN, MODULE_FN(sign)},
	{OSSL_FUNC_SIGNATURE_VERIFY_INIT, MODULE_FN(verify_init)},
	{OSSL_FUNC_SIGNATURE_VERIFY, MODULE_FN(verify)},
	{OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, MODULE_FN(digest_sign_init)},
	{OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, MODULE_FN(digest_sign_update)},
	{OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, MODULE_FN(digest_sign_final)},
	{OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, MODULE_FN(digest_verify_init)},
	{OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, MODULE_FN(digest_verify_update)},
	{OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, MODULE_FN(digest_verify_final)},
	{OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, MODULE_FN(get_params)},
	{OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, MODULE_FN(gettable)},
	{OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, MODULE_FN(set_params)},
	{OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, MODULE_FN(settable)},
	{0, NULL},
};

const OSSL_ALGORITHM signature_algorithms[] = {
	{"ECDSA", MODULE_PROPERTIES, functions, NULL},
	{"RSA:rsaEncryption:1.2.840.113549.1.1.1", MODULE_PROPERTIES, functions, NULL},
	{NULL, NULL, NULL, NULL},
};
