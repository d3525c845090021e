/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's own verifier does it: names, signatures, who is a CA, path lengths, constraints. */

#include "crypto/trust_impl.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/certificate_impl.h"
#include "crypto/cms.h"
#include "crypto/ossl.h"
#include "crypto/x509.h"

/* Of OpenSSL's levels: 112 bits, so no SHA-1 and no RSA under 2048 in the chain either. */
#define CHAIN_LEVEL 2

static void store_ctx_cleanup(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
}

void certificates_cleanup(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

void trust_store_cleanup(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static int short_of_memory(struct err *err)
{
	return ossl_fail(err, ERR_INTERNAL, "memory is short");
}

int certificates_parse(struct slice der, size_t max, STACK_OF(X509) * *ret_certs, struct err *err)
{
	CLEANUP(certificates_cleanup) STACK_OF(X509) *certs = sk_X509_new_null();

	if (!certs)
		return short_of_memory(err);
	while (der.len > 0 && (size_t)sk_X509_num(certs) < max) {
		CLEANUP(certificate_cleanup) X509 *x509 = NULL;
		size_t len = certificate_len(der);

		if (len == 0 || certificate_parse(slice_of(der.data, len), &x509, err) < 0)
			break;
		if (sk_X509_push(certs, x509) <= 0)
			return short_of_memory(err);
		x509 = NULL;
		der = slice_of(der.data + len, der.len - len);
	}
	if (der.len > 0 || sk_X509_num(certs) == 0)
		return err_set(err, ERR_INVALID, "these are not 1 to %zu certificates", max);
	*ret_certs = TAKE(certs);
	return 0;
}

int trust_store_new(struct slice anchors, size_t max, int64_t at, X509_STORE **ret_store,
		    struct err *err)
{
	CLEANUP(certificates_cleanup) STACK_OF(X509) *certs = NULL;
	CLEANUP(trust_store_cleanup) X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = store ? X509_STORE_get0_param(store) : NULL;
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	int r = param ? certificates_parse(anchors, max, &certs, err) : short_of_memory(err);

	if (r < 0)
		return r;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(certs, i)) != 1)
			return short_of_memory(err);
	X509_VERIFY_PARAM_set_auth_level(param, CHAIN_LEVEL);
	if (at == CMS_ANY_TIME)
		flags |= X509_V_FLAG_NO_CHECK_TIME;
	else
		X509_VERIFY_PARAM_set_time(param, (time_t)at);
	if (X509_VERIFY_PARAM_set_flags(param, flags) != 1)
		return short_of_memory(err);
	*ret_store = TAKE(store);
	return 0;
}

bool trust_has_usage(X509 *x509, const char *usage)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
	ASN1_OBJECT *wanted = OBJ_txt2obj(usage, 1);
	bool found = false;

	for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(usages); i++)
		found = found || OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), wanted) == 0;
	ASN1_OBJECT_free(wanted);
	EXTENDED_KEY_USAGE_free(usages);
	return found;
}

/* None at all is all. */
static bool allows_usage(X509 *x509, const char *usage)
{
	return !(X509_get_extension_flags(x509) & EXFLAG_XKUSAGE) || trust_has_usage(x509, usage);
}

/* OpenSSL looks at no purpose that it does not know, so not at the CAs' either. */
static bool way_allows_usage(X509_STORE_CTX *ctx, const char *usage)
{
	STACK_OF(X509) *way = X509_STORE_CTX_get0_chain(ctx);

	for (int i = 1; i < X509_STORE_CTX_get_num_untrusted(ctx); i++)
		if (!allows_usage(sk_X509_value(way, i), usage))
			return false;
	return true;
}

int trust_check(X509_STORE *store, X509 *x509, STACK_OF(X509) * others, const char *usage,
		struct err *err)
{
	CLEANUP(store_ctx_cleanup) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int good;

	if (!ctx || X509_STORE_CTX_init(ctx, store, x509, others) != 1)
		return short_of_memory(err);
	good = X509_verify_cert(ctx);
	(void)ossl_take_error();
	if (good != 1)
		return err_set(err, ERR_FORBIDDEN, "%s",
			       X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	if (!way_allows_usage(ctx, usage))
		return err_set(err, ERR_FORBIDDEN, "a CA on the way is for other uses only");
	return 0;
}

int x509_leads(struct slice chain, struct slice anchors, const char *usage, struct err *err)
{
	CLEANUP(certificates_cleanup) STACK_OF(X509) *certs = NULL;
	CLEANUP(trust_store_cleanup) X509_STORE *store = NULL;
	uint32_t flags;
	int r = trust_store_new(anchors, X509_ANCHORS_MAX, CMS_ANY_TIME, &store, err);

	if (r < 0)
		return r;
	if (certificates_parse(chain, X509_CHAIN_MAX, &certs, err) < 0)
		return err->code == ERR_INVALID ? err_set(err, ERR_DAMAGED, "no certificates")
						: err->code;
	flags = X509_get_extension_flags(sk_X509_value(certs, 0));
	if (flags & EXFLAG_INVALID)
		return ossl_fail(err, ERR_DAMAGED, "an extension of the certificate is malformed");
	if ((flags & EXFLAG_CA) || !allows_usage(sk_X509_value(certs, 0), usage))
		return err_set(err, ERR_FORBIDDEN, "the certificate is not for such a key");
	r = trust_check(store, sk_X509_value(certs, 0), certs, usage, err);
	return r == ERR_FORBIDDEN ? err_wrap(err, "the certificate leads to no anchor") : r;
}
