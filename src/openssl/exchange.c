/* SPDX-License-Identifier: Apache-2.0 */
/* Key exchange: ECDH with a key that was made to agree. The service gives the x-coordinate. */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/mem.h"
#include "openssl/key.h"

struct exchange {
	struct module *module;
	struct key *key;
	struct key *peer;
};

static void exchange_free(struct exchange *op)
{
	if (!op)
		return;
	key_free(op->key);
	key_free(op->peer);
	free(op);
}

static void *exchange_new(void *data)
{
	struct exchange *op = calloc(1, sizeof(*op));

	if (op)
		op->module = data;
	return op;
}

static void *duplicate(void *data)
{
	const struct exchange *from = data;
	struct exchange *to = exchange_new(from->module);

	if (!to)
		return NULL;
	to->key = from->key ? key_hold(from->key) : NULL;
	to->peer = from->peer ? key_hold(from->peer) : NULL;
	return to;
}

/* What comes out of ECDH is given as it is. */
static int set_params(void *data, const OSSL_PARAM params[])
{
	struct exchange *op = data;
	const OSSL_PARAM *kdf;

	if (!params)
		return 1;
	kdf = OSSL_PARAM_locate_const(params, OSSL_EXCHANGE_PARAM_KDF_TYPE);
	if (!kdf || (kdf->data_type == OSSL_PARAM_UTF8_STRING && kdf->data &&
		     ((const char *)kdf->data)[0] == '\0'))
		return 1;
	return module_fail(op->module, ERR_NOT_SUPPORTED,
			   "no key derivation comes with the exchange; do it afterwards");
}

static const OSSL_PARAM *settable(void *data, void *module)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)module;
	return params;
}

static int init(void *data, void *key, const OSSL_PARAM params[])
{
	struct exchange *op = data;

	if (!key)
		return 0;
	key_free(op->key);
	op->key = key_hold(key);
	return set_params(op, params);
}

static int set_peer(void *data, void *peer)
{
	struct exchange *op = data;

	key_free(op->peer);
	op->peer = key_hold(peer);
	return 1;
}

static int derive(void *data, unsigned char *secret, size_t *ret_len, size_t room)
{
	struct exchange *op = data;
	const struct key_out out = {.data = secret, .room = room, .ret_len = ret_len};

	if (!op->key || !op->peer)
		return module_fail(op->module, ERR_INVALID, "an exchange takes a key and a peer");
	if (secret)
		return key_agree(op->key, op->peer, &out);
	*ret_len = ((size_t)EVP_PKEY_get_bits(op->key->pub) + 7) / 8;
	return 1;
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_KEYEXCH_NEWCTX, MODULE_FN(exchange_new)},
	{OSSL_FUNC_KEYEXCH_FREECTX, MODULE_FN(exchange_free)},
	{OSSL_FUNC_KEYEXCH_DUPCTX, MODULE_FN(duplicate)},
	{OSSL_FUNC_KEYEXCH_INIT, MODULE_FN(init)},
	{OSSL_FUNC_KEYEXCH_SET_PEER, MODULE_FN(set_peer)},
	{OSSL_FUNC_KEYEXCH_DERIVE, MODULE_FN(derive)},
	{OSSL_FUNC_KEYEXCH_SET_CTX_PARAMS, MODULE_FN(set_params)},
	{OSSL_FUNC_KEYEXCH_SETTABLE_CTX_PARAMS, MODULE_FN(settable)},
	{0, NULL},
};

const OSSL_ALGORITHM exchange_algorithms[] = {
	{"ECDH", MODULE_PROPERTIES, functions, NULL},
	{NULL, NULL, NULL, NULL},
};
