/* SPDX-License-Identifier: Apache-2.0 */
#include "openssl/key.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/json.h"
#include "base/mem.h"

struct key *key_new(struct module *module)
{
	struct key *key = calloc(1, sizeof(*key));

	if (!key) {
		(void)module_fail_memory(module);
		return NULL;
	}
	atomic_init(&key->count, 1);
	key->module = module;
	return key;
}

struct key *key_new_public(const struct key *key)
{
	struct key *half = key_new(key->module);

	if (half && key->pub && EVP_PKEY_up_ref(key->pub) == 1)
		half->pub = key->pub;
	return half;
}

struct key *key_hold(struct key *key)
{
	(void)atomic_fetch_add(&key->count, 1);
	return key;
}

void key_free(struct key *key)
{
	if (!key || atomic_fetch_sub(&key->count, 1) > 1)
		return;
	EVP_PKEY_free(key->pub);
	free(key);
}

const char *key_type(const struct key *key)
{
	if (EVP_PKEY_is_a(key->pub, KEY_TYPE_EC))
		return KEY_TYPE_EC;
	return EVP_PKEY_is_a(key->pub, KEY_TYPE_RSA) ? KEY_TYPE_RSA : NULL;
}

bool key_same_digest(struct module *module, const char *left, const char *right)
{
	EVP_MD *md = EVP_MD_fetch(module_inner(module), left, NULL);
	bool same = md && EVP_MD_is_a(md, right);

	EVP_MD_free(md);
	return same;
}

const char *key_hash_name(const EVP_MD *md)
{
	static const struct {
		const char *theirs, *ours;
	} names[] = {{"SHA2-256", "sha256"}, {"SHA2-384", "sha384"}, {"SHA2-512", "sha512"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (md && EVP_MD_is_a(md, names[i].theirs))
			return names[i].ours;
	return NULL;
}

/* --- from the service --- */

/* The member /key/public of the device's description, where there is a key. */
static int public_of_device(const struct module *module, struct hf *hf, char **ret_pem)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *pem;
	char *json;
	struct err err;
	int r;

	if (hf_device_json(hf, &json) < 0)
		return module_fail_hf(module, hf);
	r = json_parse(slice_str(json), &object, &err);
	hf_free(json);
	if (r < 0)
		return module_fail_err(module, &err);
	pem = json_string_value(json_object_get(json_object_get(object, "key"), "public"));
	if (!pem)
		return module_fail(module, ERR_NOT_FOUND,
				   "the device has no identity; see holdfast device");
	*ret_pem = strdup(pem);
	return *ret_pem ? 1 : module_fail_memory(module);
}

static int public_of_key(const struct module *module, struct hf *hf, const char *name,
			 char **ret_pem)
{
	char *pem;

	if (hf_key_public(hf, name, &pem) < 0)
		return module_fail_hf(module, hf);
	*ret_pem = strdup(pem);
	hf_free(pem);
	return *ret_pem ? 1 : module_fail_memory(module);
}

static int public_pem(struct module *module, const struct uri *uri, char **ret_pem)
{
	struct hf *hf = module_connect(module, uri->socket);
	int ok;

	if (!hf)
		return 0;
	ok = uri->device ? public_of_device(module, hf, ret_pem)
			 : public_of_key(module, hf, uri->name, ret_pem);
	module_disconnect(module, hf);
	return ok;
}

static EVP_PKEY *parse_public(struct module *module, const char *pem)
{
	OSSL_LIB_CTX *inner = module_inner(module);
	BIO *bio = inner ? BIO_new_mem_buf(pem, -1) : NULL;
	EVP_PKEY *pub = NULL;

	if (bio)
		pub = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, inner, NULL);
	BIO_free(bio);
	return pub;
}

struct key *key_load(struct module *module, const struct uri *uri)
{
	CLEANUP(key_cleanup) struct key *key = key_new(module);
	CLEANUP(mem_free_cleanup) char *pem = NULL;

	if (!key)
		return NULL;
	key->uri = *uri;
	if (!module_socket(module, uri->socket, key->uri.socket))
		return NULL;
	key->private = true;
	if (!public_pem(module, &key->uri, &pem))
		return NULL;
	key->pub = parse_public(module, pem);
	if (!key->pub || !key_type(key)) {
		(void)module_fail(module, ERR_INTERNAL, "the service's answer is no public key");
		return NULL;
	}
	return TAKE(key);
}
