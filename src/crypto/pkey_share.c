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

static void bn_cleanup(BIGNUM **bn)
{
	BN_free(*bn);
}

static bool coordinate(const EVP_PKEY *key, const char *name, uint8_t *out, size_t size)
{
	CLEANUP(bn_cleanup) BIGNUM *bn = NULL;

	return EVP_PKEY_get_bn_param(key, name, &bn) == 1 &&
	       BN_bn2binpad(bn, out, (int)size) == (int)size;
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
	ok = own && coordinate(own, OSSL_PKEY_PARAM_EC_PUB_X, ecdh.x, ecdh.size) &&
	     coordinate(own, OSSL_PKEY_PARAM_EC_PUB_Y, ecdh.y, ecdh.size) &&
	     shared_x(own, peer->key, ecdh.z, ecdh.size);
	if (ok)
		*ret_ecdh = ecdh;
	wipe(&ecdh, sizeof(ecdh));
	return ok ? 0 : ossl_fail(err, ERR_INTERNAL, "no secret can be shared with the key");
}

int pkey_oaep_encrypt(const struct pkey *peer, enum hash_alg alg, const char *label,
		      struct slice plain, struct buf *ret_sealed, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = NULL;
	const struct pkey_info *info = &pkey_infos[peer->type];
	/* OSSL_PARAM wants them writable, but reads only. */
	char *md = (char *)(uintptr_t)ossl_md_name(alg);
	char *text = (char *)(uintptr_t)label;
	char mode[] = OSSL_PKEY_RSA_PAD_MODE_OAEP;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, mode, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, md, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, md, 0),
		OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, text,
						  strlen(label) + 1),
		OSSL_PARAM_construct_end(),
	};
	uint8_t sealed[OAEP_MAX];
	size_t len = sizeof(sealed);

	if (!info->is_rsa)
		return err_set(err, ERR_INVALID, "only an RSA key encrypts");
	if (plain.len + 2 * hash_size(alg) + 2 > info->size)
		return err_set(err, ERR_TOO_LARGE, "too much for one RSA block");
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer->key, NULL);
	if (!ctx || EVP_PKEY_encrypt_init_ex(ctx, params) != 1 ||
	    EVP_PKEY_encrypt(ctx, sealed, &len, plain.data, plain.len) != 1)
		return ossl_fail(err, ERR_INTERNAL, "RSA encryption failed");
	buf_put(ret_sealed, slice_of(sealed, len));
	if (!buf_ok(ret_sealed))
		return err_set(err, ERR_INTERNAL, "no room for a ciphertext");
	return 0;
}
