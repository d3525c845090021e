/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to share a secret with the holder of a private key, as TPM sessions want them. */

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

#define OAEP_MAX 512u

static void evp_pkey_cleanup(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* The x-coordinate of d * Q, always as long as the field. */
static bool shared_x(EVP_PKEY *own, EVP_PKEY *peer, uint8_t *out, size_t size)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t len = size;

	return ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
	       EVP_PKEY_derive(ctx, out, &len) == 1 && len == size;
}

int pkey_ecdh_ephemeral(const struct pkey *peer, struct pkey_ecdh *ret_ecdh, struct err *err)
{
	CLEANUP(evp_pkey_cleanup) EVP_PKEY *own = NULL;
	const struct pkey_info *info = &pkey_infos[peer->type];
	struct pkey_ecdh ecdh = {.size = info->size};
	bool ok;

	if (info->is_rsa)
		return err_set(err, ERR_INVALID, "an RSA key shares no point");
	own = EVP_PKEY_Q_keygen(NULL, NULL, "EC", info->group);
	ok = own && pkey_number(own, OSSL_PKEY_PARAM_EC_PUB_X, ecdh.x, ecdh.size) &&
	     pkey_number(own, OSSL_PKEY_PARAM_EC_PUB_Y, ecdh.y, ecdh.size) &&
	     shared_x(own, peer->key, ecdh.z, ecdh.size);
	if (ok)
		*ret_ecdh = ecdh;
	wipe(&ecdh, sizeof(ecdh));
	return ok ? 0 : ossl_fail(err, ERR_INTERNAL, "no secret can be shared with the key");
}

int pkey_agree(const struct pkey *own, const struct pkey *peer, struct secret **ret_shared,
	       struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	const struct pkey_info *info = &pkey_infos[own->type];
	int r;

	if (info->is_rsa || !own->has_private)
		return err_set(err, ERR_INVALID, "this key shares no point");
	if (peer->type != own->type)
		return err_set(err, ERR_INVALID, "the peer's key is of type %s, ours of %s",
			       pkey_type_name(peer->type), info->name);
	r = secret_new(info->size, &shared, err);
	if (r < 0)
		return r;
	if (!shared_x(own->key, peer->key, secret_data(shared), info->size))
		return ossl_fail(err, ERR_INTERNAL, "no secret can be shared with the key");
	*ret_shared = TAKE(shared);
	return 0;
}

/* OSSL_PARAM wants them writable, but reads only. */
static void oaep_params(enum hash_alg alg, struct slice label, OSSL_PARAM params[5])
{
	char *md = (char *)(uintptr_t)ossl_md_name(alg);
	void *bytes = (void *)(uintptr_t)label.data;
	static char mode[] = OSSL_PKEY_RSA_PAD_MODE_OAEP;
	size_t n = 0;

	params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, mode, 0);
	params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, md, 0);
	params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, md, 0);
	if (label.len)
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
								bytes, label.len);
	params[n] = OSSL_PARAM_construct_end();
}

int pkey_oaep_encrypt(const struct pkey *peer, enum hash_alg alg, const char *label,
		      struct slice plain, struct buf *ret_sealed, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = NULL;
	const struct pkey_info *info = &pkey_infos[peer->type];
	uint8_t sealed[OAEP_MAX];
	size_t len = sizeof(sealed);
	OSSL_PARAM params[5];

	if (!info->is_rsa)
		return err_set(err, ERR_INVALID, "only an RSA key encrypts");
	if (plain.len + 2 * hash_size(alg) + 2 > info->size)
		return err_set(err, ERR_TOO_LARGE, "too much for one RSA block");
	oaep_params(alg, slice_of(label, label ? strlen(label) + 1 : 0), params);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer->key, NULL);
	if (!ctx || EVP_PKEY_encrypt_init_ex(ctx, params) != 1 ||
	    EVP_PKEY_encrypt(ctx, sealed, &len, plain.data, plain.len) != 1)
		return ossl_fail(err, ERR_INTERNAL, "RSA encryption failed");
	buf_put(ret_sealed, slice_of(sealed, len));
	if (!buf_ok(ret_sealed))
		return err_set(err, ERR_INTERNAL, "no room for a ciphertext");
	return 0;
}

int pkey_oaep_decrypt(const struct pkey *own, enum hash_alg alg, struct slice label,
		      struct slice sealed, struct secret **ret_plain, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = NULL;
	const struct pkey_info *info = &pkey_infos[own->type];
	uint8_t plain[OAEP_MAX] = {0};
	size_t len = sizeof(plain);
	OSSL_PARAM params[5];
	int r;

	if (!info->is_rsa || !own->has_private)
		return err_set(err, ERR_INVALID, "this key decrypts nothing");
	if (sealed.len != info->size)
		return err_set(err, ERR_INVALID, "a ciphertext for this key has %zu bytes",
			       info->size);
	oaep_params(alg, label, params);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own->key, NULL);
	if (!ctx || EVP_PKEY_decrypt_init_ex(ctx, params) != 1)
		return ossl_fail(err, ERR_INTERNAL, "RSA decryption cannot be set up");
	if (EVP_PKEY_decrypt(ctx, plain, &len, sealed.data, sealed.len) == 1)
		r = secret_copy(slice_of(plain, len), ret_plain, err);
	else
		r = err_set(err, ERR_DAMAGED,
			    "the ciphertext does not open with this key, hash and label");
	(void)ossl_take_error();
	wipe(plain, sizeof(plain));
	return r;
}
