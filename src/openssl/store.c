/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store: holdfast:device has a key and then its certificates, the device's own first;
 * holdfast:key/NAME has a key. What is not wanted is not asked for.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/store.h>

#include "base/mem.h"
#include "openssl/hand.h"

struct store {
	struct module *module;
	struct uri uri;
	int expected; /* OSSL_STORE_INFO_*, 0 = all */
	bool key_given;
	bool asked; /* for the certificates */
	char *pem;  /* the certificates; freed by hf_free() */
	BIO *rest;  /* those that are not given yet; NULL = none */
};

static void store_free(struct store *store)
{
	if (!store)
		return;
	BIO_free(store->rest);
	hf_free(store->pem);
	free(store);
}
MEM_DEFINE_CLEANUP(store)

static void *store_open(void *data, const char *text)
{
	CLEANUP(store_cleanup) struct store *store = calloc(1, sizeof(*store));
	struct module *module = data;
	struct err err;

	if (!store) {
		(void)module_fail_memory(module);
		return NULL;
	}
	store->module = module;
	if (uri_parse(slice_str(text), &store->uri, &err) < 0) {
		(void)module_fail_err(module, &err);
		return NULL;
	}
	if (!module_socket(module, store->uri.socket, store->uri.socket))
		return NULL;
	return TAKE(store);
}

static int set_params(void *data, const OSSL_PARAM params[])
{
	struct store *store = data;
	const OSSL_PARAM *expect = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);

	return !expect || OSSL_PARAM_get_int(expect, &store->expected);
}

static const OSSL_PARAM *settable(void *data)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
		OSSL_PARAM_END,
	};

	(void)data;
	return params;
}

static bool wants_key(const struct store *store)
{
	return !store->key_given && store->expected != OSSL_STORE_INFO_CERT &&
	       store->expected != OSSL_STORE_INFO_CRL && store->expected != OSSL_STORE_INFO_PARAMS;
}

static bool wants_certificates(const struct store *store)
{
	if (!store->uri.device || (store->expected != 0 && store->expected != OSSL_STORE_INFO_CERT))
		return false;
	return !store->asked || store->rest;
}

/* --- giving --- */

static int give_der(struct slice der, OSSL_CALLBACK *take, void *arg)
{
	int object = OSSL_OBJECT_CERT;
	OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &object),
		OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_DATA, (void *)(uintptr_t)der.data,
					der.len),
		OSSL_PARAM_END,
	};

	return take(params, arg);
}

/* As bytes and not as a reference: that OpenSSL would give to the default provider. */
static int give_key(struct store *store, OSSL_CALLBACK *take, void *arg)
{
	struct hand hand = {.module = store->module, .uri = store->uri};
	int ok;

	store->key_given = true;
	hand.key = key_load(store->module, &store->uri);
	ok = hand.key && hand_give(&hand, take, arg);
	hand_fini(&hand);
	return ok;
}

static int ask_certificates(struct store *store)
{
	struct hf *hf = module_connect(store->module, store->uri.socket);
	int r, ok;

	store->asked = true;
	if (!hf)
		return 0;
	r = hf_device_certificate(hf, &store->pem);
	/* Whoever wants anything there is takes it that there is none. */
	ok = r >= 0 || (r == HF_NO_CERTIFICATE && store->expected == 0);
	if (!ok)
		(void)module_fail_hf(store->module, hf);
	module_disconnect(store->module, hf);
	if (r < 0)
		return ok;
	store->rest = BIO_new_mem_buf(store->pem, -1);
	return store->rest ? 1 : module_fail_memory(store->module);
}

static int give_certificate(struct store *store, OSSL_CALLBACK *take, void *arg)
{
	char *name = NULL, *header = NULL;
	uint8_t *der = NULL;
	long len = 0;
	int ok = 1;

	if (!store->asked && !ask_certificates(store))
		return 0;
	if (!store->rest)
		return 1;
	(void)ERR_set_mark();
	if (PEM_read_bio(store->rest, &name, &header, &der, &len) == 1)
		ok = give_der(slice_of(der, (size_t)len), take, arg);
	(void)ERR_pop_to_mark();
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	if (BIO_eof(store->rest) || len == 0) {
		BIO_free(store->rest);
		store->rest = NULL;
	}
	return ok;
}

static int load(void *data, OSSL_CALLBACK *take, void *arg, OSSL_PASSPHRASE_CALLBACK *ask,
		void *ask_arg)
{
	struct store *store = data;

	(void)ask;
	(void)ask_arg;
	if (wants_key(store))
		return give_key(store, take, arg);
	return wants_certificates(store) && give_certificate(store, take, arg);
}

static int eof(void *data)
{
	const struct store *store = data;

	return !wants_key(store) && !wants_certificates(store);
}

static int store_close(void *data)
{
	store_free(data);
	return 1;
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_STORE_OPEN, MODULE_FN(store_open)},
	{OSSL_FUNC_STORE_SET_CTX_PARAMS, MODULE_FN(set_params)},
	{OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, MODULE_FN(settable)},
	{OSSL_FUNC_STORE_LOAD, MODULE_FN(load)},
	{OSSL_FUNC_STORE_EOF, MODULE_FN(eof)},
	{OSSL_FUNC_STORE_CLOSE, MODULE_FN(store_close)},
	{0, NULL},
};

const OSSL_ALGORITHM store_algorithms[] = {
	{URI_SCHEME, MODULE_PROPERTIES, functions, NULL},
	{NULL, NULL, NULL, NULL},
};
