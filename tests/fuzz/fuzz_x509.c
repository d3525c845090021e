/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Certificates and chains of them, in DER and in PEM. What is said of one is harmless text and
 * agrees with itself; what is taken for a chain is the same after it was written and read again.
 */

#include "crypto/certificate.h"
#include "crypto/x509.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text)
{
	FUZZ_REQUIRE(memchr(text, 0, X509_TEXT_MAX));
	for (; *text; text++)
		FUZZ_REQUIRE(*text >= ' ' && *text <= '~');
}

static void check_again(struct slice chain)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(2 * X509_CHAIN_PEM_MAX);
	CLEANUP(buf_fini) struct buf again = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	struct err err = {0};

	FUZZ_REQUIRE(x509_chain_to_pem(chain, &pem, &err) == 0);
	FUZZ_REQUIRE(x509_chain_of_pem(buf_slice(&pem), &again, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&again), chain));
}

static void one(struct slice der)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct err err = {0};
	int r = x509_read(der, &facts, &err);

	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0] && facts.spki.len == 0));
	FUZZ_REQUIRE(r == 0 || r == ERR_DAMAGED || r == ERR_NOT_SUPPORTED);
	if (r < 0)
		return;
	check_text(facts.subject);
	check_text(facts.issuer);
	FUZZ_REQUIRE(memchr(facts.serial, 0, sizeof(facts.serial)));
	FUZZ_REQUIRE(pkey_from_spki(buf_slice(&facts.spki), &key, &err) == 0);
	FUZZ_REQUIRE(certificate_of(der, key, &err) == 0);
	FUZZ_REQUIRE((x509_verify(der, buf_slice(&facts.spki), &err) == 0) == facts.self_signed);
	FUZZ_REQUIRE(x509_chain_check(der, &err) == 0);
	check_again(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	struct slice bytes = slice_of(data, size);
	struct err err = {0};
	int r;

	one(bytes);
	r = x509_chain_of_pem(bytes, &chain, &err);
	FUZZ_REQUIRE(r == 0 || (r == ERR_INVALID && err.text[0] && chain.len == 0));
	if (r == 0)
		check_again(buf_slice(&chain));
	FUZZ_EITHER(x509_chain_check(buf_slice(&chain), &err) < 0);
	r = x509_chain_check(bytes, &err);
	FUZZ_REQUIRE(r == 0 || r == ERR_INVALID || r == ERR_DAMAGED);
	if (r == 0)
		check_again(bytes);
	/* Signed by whoever, with bytes as a key as well. */
	FUZZ_EITHER(x509_verify(bytes, bytes, &err) < 0);
	return 0;
}
