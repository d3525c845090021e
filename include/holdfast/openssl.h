/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OPENSSL_H
#define HOLDFAST_OPENSSL_H

/*
 * For programs with OpenSSL 3: the key of the device, or another of the service, for an SSL_CTX.
 *
 *   SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
 *
 *   if (hf_ssl_use(ctx, "holdfast:device") < 0)
 *           ERR_print_errors_fp(stderr);
 *
 * The functions stand in this header, so that whoever does not use them links neither libssl nor
 * anything else for them, and whoever does needs -lssl -lcrypto alone: the work is done by the
 * OpenSSL module holdfast.so, which they load where openssl.cnf has not (holdfast-openssl(7)).
 *
 * They serve SSL_CTX of the default library context. The private half does not enter the process;
 * each handshake asks the service for one signature.
 */

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Has the module active, beside the default provider. 0, or -1 with the reason on OpenSSL's queue.
 * For good: what is active stays so until the process ends. Call it before other threads make keys.
 */
static inline int hf_ssl_load(void)
{
	if (OSSL_PROVIDER_available(NULL, "holdfast"))
		return 0;
	/* The default provider first, or it would no longer be there for all else. */
	if (!OSSL_PROVIDER_available(NULL, "default") && !OSSL_PROVIDER_load(NULL, "default"))
		return -1;
	return OSSL_PROVIDER_load(NULL, "holdfast") ? 0 : -1;
}

/* What hf_ssl_use() finds; the functions of this name are for it alone. */
struct holdfast_found {
	EVP_PKEY *key;
	X509 *certificate;
	STACK_OF(X509) * chain; /* the issuers of @certificate, or NULL */
};

static inline void holdfast_found_fini(struct holdfast_found *found)
{
	EVP_PKEY_free(found->key);
	X509_free(found->certificate);
	sk_X509_pop_free(found->chain, X509_free);
}

/* Takes what @info has. 1, or 0 with the reason on the queue. */
static inline int holdfast_found_take(struct holdfast_found *found, const OSSL_STORE_INFO *info)
{
	int type = OSSL_STORE_INFO_get_type(info);
	X509 *issuer;

	if (type == OSSL_STORE_INFO_PKEY && !found->key)
		found->key = OSSL_STORE_INFO_get1_PKEY(info);
	else if (type == OSSL_STORE_INFO_CERT && !found->certificate)
		found->certificate = OSSL_STORE_INFO_get1_CERT(info);
	else if (type == OSSL_STORE_INFO_CERT) {
		issuer = OSSL_STORE_INFO_get1_CERT(info);
		if (!found->chain)
			found->chain = sk_X509_new_null();
		if (!issuer || !found->chain || sk_X509_push(found->chain, issuer) == 0) {
			X509_free(issuer);
			ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE);
			return 0;
		}
	}
	return 1;
}

/* All that is behind @uri. 1, or 0 with the reason on the queue. */
static inline int holdfast_found_load(struct holdfast_found *found, const char *uri)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
	OSSL_STORE_INFO *info;
	int ok = store ? 1 : 0;

	while (ok == 1 && !OSSL_STORE_eof(store)) {
		info = OSSL_STORE_load(store);
		/* An end that could not be foreseen is none of its errors. */
		ok = info ? holdfast_found_take(found, info) : !OSSL_STORE_error(store);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return ok;
}

/* That nobody else answered for the scheme. 1, or 0 with the reason on the queue. */
static inline int holdfast_found_is_ours(const struct holdfast_found *found)
{
	const OSSL_PROVIDER *whose = found->key ? EVP_PKEY_get0_provider(found->key) : NULL;

	if (whose && strcmp(OSSL_PROVIDER_get0_name(whose), "holdfast") == 0)
		return 1;
	ERR_raise_data(ERR_LIB_USER, ERR_R_INTERNAL_ERROR, "it is no key of the Holdfast service");
	return 0;
}

/* Gives @ctx all of it, or nothing. 1, or 0 with the reason on the queue. */
static inline int holdfast_found_give(const struct holdfast_found *found, SSL_CTX *ctx)
{
	X509 *theirs = SSL_CTX_get0_certificate(ctx);

	if (found->certificate)
		return SSL_CTX_use_cert_and_key(ctx, found->certificate, found->key, found->chain,
						1);
	if (theirs && X509_check_private_key(theirs, found->key) == 1)
		return SSL_CTX_use_PrivateKey(ctx, found->key);
	if (!theirs)
		ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_CERTIFICATE_ASSIGNED,
			       "give it the key's certificate first");
	return 0;
}

/*
 * Certificates and key of @uri for @ctx: "holdfast:device", or "holdfast:key/NAME" after
 * SSL_CTX_use_certificate_chain_file(), either with "?socket=/PATH" behind it. 0 when @ctx has a
 * key and its certificate; else -1, with the reason on OpenSSL's queue: the service's text and what
 * to do about it.
 *
 * The device's certificates take the place of the certificate, the chain and the key of the same
 * type (EC) that @ctx has; another type's stay. So it may be called again, as after a renewal.
 * After -1, @ctx is as it was.
 */
static inline int hf_ssl_use(SSL_CTX *ctx, const char *uri)
{
	static const char scheme[] = "holdfast:";
	struct holdfast_found found = {NULL, NULL, NULL};
	char name[512];
	int ok;

	if (hf_ssl_load() < 0)
		return -1;
	if (strncmp(uri, scheme, sizeof(scheme) - 1) != 0 || strlen(uri) > sizeof(name) - 3) {
		ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT,
			       "it is neither holdfast:device nor holdfast:key/NAME");
		return -1;
	}
	uri += sizeof(scheme) - 1;
	if (strncmp(uri, "//", 2) == 0)
		uri += 2;
	/* With "//", or OpenSSL would prefer a file of that name. */
	(void)BIO_snprintf(name, sizeof(name), "%s//%s", scheme, uri);
	ok = holdfast_found_load(&found, name) == 1 && holdfast_found_is_ours(&found) == 1 &&
	     holdfast_found_give(&found, ctx) == 1;
	holdfast_found_fini(&found);
	if (!ok && ERR_peek_error() == 0)
		ERR_raise_data(ERR_LIB_USER, ERR_R_INTERNAL_ERROR, "nothing usable is at %s", name);
	return ok ? 0 : -1;
}

#ifdef __cplusplus
}
#endif

#endif
