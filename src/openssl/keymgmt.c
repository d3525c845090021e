/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keymgmt: what OpenSSL asks of a key. All that the public half can tell is told by the default
 * provider, to which it is the same as a key of its own. So a certificate's key and ours compare
 * as equal, and OpenSSL's own encoders write ours.
 *
 * Ordinary keys stay where they are: nothing is generated here, and a private half that somebody
 * brings is refused, upon which OpenSSL goes back to the provider that it came from.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/mem.h"
#include "openssl/key.h"

static void *load(const void *reference, size_t len)
{
	struct key *key;

	if (len != sizeof(key))
		return NULL;
	/* The reference is a pointer; it is taken over. */
	key = *(struct key *const *)reference;
	*(struct key **)(uintptr_t)reference = NULL;
	return key;
}

static int has(const void *data, int selection)
{
	const struct key *key = data;

	if (!key || !key->pub)
		return (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0;
	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || key->private;
}

static int match(const void *left, const void *right, int selection)
{
	const struct key *a = left, *b = right;

	if (!a->pub || !b->pub)
		return 0;
	if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0)
		return EVP_PKEY_eq(a->pub, b->pub) == 1;
	return EVP_PKEY_parameters_eq(a->pub, b->pub) == 1;
}

static int validate(const void *data, int selection, int check_type)
{
	(void)check_type;
	return has(data, selection);
}

static int get_params(void *data, OSSL_PARAM params[])
{
	const struct key *key = data;

	return key->pub && EVP_PKEY_get_params(key->pub, params);
}

/* --- to and from other providers: public halves --- */

static int export(void *data, int selection, OSSL_CALLBACK *take, void *arg)
{
	const struct key *key = data;
	OSSL_PARAM *params = NULL;
	int ok;

	if (!key->pub || (key->private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0))
		return 0;
	if (!EVP_PKEY_todata(key->pub, selection & ~OSSL_KEYMGMT_SELECT_PRIVATE_KEY, &params))
		return 0;
	ok = take(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

static int import(struct key *key, const char *type, const OSSL_PARAM params[])
{
	OSSL_LIB_CTX *inner = module_inner(key->module);
	EVP_PKEY_CTX *ctx = inner ? EVP_PKEY_CTX_new_from_name(inner, type, NULL) : NULL;
	EVP_PKEY *pub = NULL;
	/* OpenSSL does not write to what it is given here. */
	OSSL_PARAM *given = (OSSL_PARAM *)(uintptr_t)params;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &pub, EVP_PKEY_PUBLIC_KEY, given);
	EVP_PKEY_CTX_free(ctx);
	if (!pub)
		return 0;
	EVP_PKEY_free(key->pub);
	key->pub = pub;
	return 1;
}

static int import_ec(void *data, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY) ||
	    !OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY))
		return 0;
	return import(data, KEY_TYPE_EC, params);
}

static int import_rsa(void *data, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_D) ||
	    !OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_N))
		return 0;
	return import(data, KEY_TYPE_RSA, params);
}

/* --- what there is to ask and to exchange --- */

static const OSSL_PARAM ec_gettable[] = {
	OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_FIELD_TYPE, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_X, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_Y, NULL, 0),
	OSSL_PARAM_END,
};

static const OSSL_PARAM rsa_gettable[] = {
	OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	OSSL_PARAM_END,
};

static const OSSL_PARAM ec_types[] = {
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_END,
};

static const OSSL_PARAM rsa_types[] = {
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	OSSL_PARAM_END,
};

static const OSSL_PARAM *gettable_ec(void *data)
{
	(void)data;
	return ec_gettable;
}

static const OSSL_PARAM *gettable_rsa(void *data)
{
	(void)data;
	return rsa_gettable;
}

static const OSSL_PARAM *exchanged_ec(int selection)
{
	return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? ec_types : NULL;
}

static const OSSL_PARAM *exchanged_rsa(int selection)
{
	return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? rsa_types : NULL;
}

static const char *operation_ec(int operation)
{
	return operation == OSSL_OP_KEYEXCH ? "ECDH" : "ECDSA";
}

static const char *operation_rsa(int operation)
{
	(void)operation;
	return KEY_TYPE_RSA;
}

/* A key does not change, so one more user of it is as good as a copy of all. */
static void *copy(const void *data, int selection)
{
	const struct key *key = data;

	if (key->private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0)
		return key_new_public(key);
	return key_hold((struct key *)(uintptr_t)key);
}

#define COMMON_FUNCTIONS                                                                           \
	{OSSL_FUNC_KEYMGMT_NEW, MODULE_FN(key_new)},                                               \
		{OSSL_FUNC_KEYMGMT_FREE, MODULE_FN(key_free)},                                     \
		{OSSL_FUNC_KEYMGMT_LOAD, MODULE_FN(load)},                                         \
		{OSSL_FUNC_KEYMGMT_HAS, MODULE_FN(has)},                                           \
		{OSSL_FUNC_KEYMGMT_MATCH, MODULE_FN(match)},                                       \
		{OSSL_FUNC_KEYMGMT_VALIDATE, MODULE_FN(validate)},                                 \
		{OSSL_FUNC_KEYMGMT_DUP, MODULE_FN(copy)},                                          \
		{OSSL_FUNC_KEYMGMT_EXPORT, MODULE_FN(export)},                                     \
	{                                                                                          \
		OSSL_FUNC_KEYMGMT_GET_PARAMS, MODULE_FN(get_params)                                \
	}

static const OSSL_DISPATCH ec_functions[] = {
	COMMON_FUNCTIONS,
	{OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, MODULE_FN(gettable_ec)},
	{OSSL_FUNC_KEYMGMT_IMPORT, MODULE_FN(import_ec)},
	{OSSL_FUNC_KEYMGMT_IMPORT_TYPES, MODULE_FN(exchanged_ec)},
	{OSSL_FUNC_KEYMGMT_EXPORT_TYPES, MODULE_FN(exchanged_ec)},
	{OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, MODULE_FN(operation_ec)},
	{0, NULL},
};

static const OSSL_DISPATCH rsa_functions[] = {
	COMMON_FUNCTIONS,
	{OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, MODULE_FN(gettable_rsa)},
	{OSSL_FUNC_KEYMGMT_IMPORT, MODULE_FN(import_rsa)},
	{OSSL_FUNC_KEYMGMT_IMPORT_TYPES, MODULE_FN(exchanged_rsa)},
	{OSSL_FUNC_KEYMGMT_EXPORT_TYPES, MODULE_FN(exchanged_rsa)},
	{OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, MODULE_FN(operation_rsa)},
	{0, NULL},
};

/* Names as the default provider has them, or OpenSSL would take them for different kinds. */
const OSSL_ALGORITHM keymgmt_algorithms[] = {
	{"EC:id-ecPublicKey:1.2.840.10045.2.1", MODULE_PROPERTIES, ec_functions, NULL},
	{"RSA:rsaEncryption:1.2.840.113549.1.1.1", MODULE_PROPERTIES, rsa_functions, NULL},
	{NULL, NULL, NULL, NULL},
};
