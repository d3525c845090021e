/* SPDX-License-Identifier: Apache-2.0 */
/* The private half at work: each function here sends one request. */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "base/tls.h"
#include "openssl/key.h"

/* The connection is free again, and what the service gave goes to OpenSSL's buffer. */
static int finish(const struct key *key, struct hf *hf, int r, void *bytes, size_t len,
		  const struct key_out *out)
{
	int ok = 1;

	if (r < 0)
		ok = module_fail_hf(key->module, hf);
	module_keep(key->module, hf);
	if (r < 0)
		return ok;
	if (len <= out->room) {
		memcpy(out->data, bytes, len);
		*out->ret_len = len;
	} else {
		ok = module_fail(key->module, ERR_INVALID,
				 "%zu bytes do not fit into a buffer of %zu", len, out->room);
	}
	hf_free(bytes);
	return ok;
}

static struct hf *begin(const struct key *key)
{
	if (key->private)
		return module_connect(key->module, key->uri.socket);
	(void)module_fail(key->module, ERR_INVALID, "this key has a public half only");
	return NULL;
}

/* --- signing --- */

/* What was signed, in the service's words. */
struct signed_digest {
	const char *scheme, *hash;
	struct slice digest;
};

static bool set_rules(EVP_PKEY_CTX *ctx, const struct signed_digest *what)
{
	const char *mode = strcmp(what->scheme, "rsapss") == 0 ? OSSL_PKEY_RSA_PAD_MODE_PSS
							       : OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)(uintptr_t)what->hash,
				       strlen(what->hash)),
		OSSL_PARAM_END,
		OSSL_PARAM_END,
		OSSL_PARAM_END,
	};
	int salt = RSA_PSS_SALTLEN_DIGEST;

	if (strcmp(what->scheme, "ecdsa") != 0)
		params[1] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE,
							     (char *)(uintptr_t)mode, 0);
	if (strcmp(what->scheme, "rsapss") == 0)
		params[2] = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt);
	return EVP_PKEY_CTX_set_params(ctx, params) == 1;
}

/*
 * A name may have come to another key since its public half was asked for, and a signature by that
 * one is none for whoever has the certificate of this one.
 */
static bool is_by(const struct key *key, const struct signed_digest *what, struct slice signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(module_inner(key->module), key->pub, NULL);
	bool good;

	(void)ERR_set_mark();
	good = ctx && EVP_PKEY_verify_init(ctx) == 1 && set_rules(ctx, what) &&
	       EVP_PKEY_verify(ctx, signature.data, signature.len, what->digest.data,
			       what->digest.len) == 1;
	(void)ERR_pop_to_mark();
	EVP_PKEY_CTX_free(ctx);
	return good;
}

static int finish_signature(const struct key *key, struct hf *hf, int r, struct slice signature,
			    const struct signed_digest *what, const struct key_out *out)
{
	if (r < 0 || is_by(key, what, signature))
		return finish(key, hf, r, (void *)(uintptr_t)signature.data, signature.len, out);
	module_keep(key->module, hf);
	hf_free((void *)(uintptr_t)signature.data);
	return module_fail(key->module, ERR_CONFLICT,
			   "the key behind this name is another one since it was loaded; load it "
			   "anew, with its certificate");
}

int key_sign(const struct key *key, const char *scheme, const char *hash, struct slice digest,
	     const struct key_out *out)
{
	const struct signed_digest what = {.scheme = scheme, .hash = hash, .digest = digest};
	const struct hf_sign request = {
		.key = key->uri.name,
		.hash = hash,
		.scheme = scheme,
		.digest = digest.data,
		.digest_len = digest.len,
	};
	struct hf *hf = begin(key);
	void *bytes = NULL;
	size_t len = 0;
	int r;

	if (!hf)
		return 0;
	r = key->uri.device ? hf_device_raw(hf, hash, digest.data, digest.len, &bytes, &len)
			    : hf_sign_digest(hf, &request, &bytes, &len);
	return finish_signature(key, hf, r, slice_of(bytes, len), &what, out);
}

int key_sign_tls(const struct key *key, struct slice content, const struct key_out *out)
{
	struct signed_digest what = {.scheme = "ecdsa", .hash = "sha256"};
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t digest_len = 0;
	void *bytes = NULL;
	struct hf *hf;
	size_t len = 0;
	int r;

	if (EVP_Q_digest(module_inner(key->module), "SHA256", NULL, content.data, content.len,
			 digest, &digest_len) != 1)
		return module_fail_memory(key->module);
	what.digest = slice_of(digest, digest_len);
	hf = begin(key);
	if (!hf)
		return 0;
	r = hf_device_tls(hf, what.hash, content.data, content.len, &bytes, &len);
	return finish_signature(key, hf, r, slice_of(bytes, len), &what, out);
}

/* --- agreeing and decrypting --- */

/* The service takes the peer as a PEM. */
static BIO *peer_pem(const struct key *peer)
{
	BIO *bio = BIO_new(BIO_s_mem());

	/* With the NUL that ends a text. */
	if (bio && PEM_write_bio_PUBKEY(bio, peer->pub) && BIO_write(bio, "", 1) == 1)
		return bio;
	BIO_free(bio);
	return NULL;
}

/* The device's key signs, and the service has no other use of it. */
static int refuse_device(const struct key *key)
{
	return module_fail(key->module, ERR_NOT_SUPPORTED,
			   "the device's key signs and does nothing else; make a key "
			   "for this with holdfast key create --use");
}

int key_agree(const struct key *key, const struct key *peer, const struct key_out *out)
{
	struct hf *hf;
	void *bytes = NULL;
	size_t len = 0;
	char *pem = NULL;
	BIO *bio;
	int r;

	if (key->uri.device)
		return refuse_device(key);
	bio = peer_pem(peer);
	if (!bio)
		return module_fail_memory(key->module);
	hf = begin(key);
	if (!hf) {
		BIO_free(bio);
		return 0;
	}
	(void)BIO_get_mem_data(bio, &pem);
	r = hf_key_agree(hf, key->uri.name, pem, &bytes, &len);
	BIO_free(bio);
	return finish(key, hf, r, bytes, len, out);
}

int key_decrypt(const struct key *key, const char *hash, const char *label, struct slice sealed,
		const struct key_out *out)
{
	const struct hf_decrypt request = {
		.key = key->uri.name,
		.hash = hash,
		.label = label,
		.ciphertext = sealed.data,
		.len = sealed.len,
	};
	struct hf *hf;
	void *bytes = NULL;
	size_t len = 0;
	int r;

	if (key->uri.device)
		return refuse_device(key);
	hf = begin(key);
	if (!hf)
		return 0;
	r = hf_key_decrypt(hf, &request, &bytes, &len);
	return finish(key, hf, r, bytes, len, out);
}
