/* SPDX-License-Identifier: Apache-2.0 */

/* Endorsement keys as makers leave them, their certificates, and challenges that they open. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "crypto/certificate.h"
#include "tests/support/chip.h"
#include "tests/support/tool.h"
#include "tpm/impl.h"
#include "tpm/rc.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

/* Its public area, as marshalled, is lost. */
static int ask(struct bench *bench, enum pkey_type type, struct engine_ek *ret_ek)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(ENGINE_PUBLIC_MAX);
	int r;

	ret_ek->public = &public;
	bench->err = (struct err){0};
	r = engine_ek(bench->engine, type, ret_ek, &bench->err);
	ret_ek->public = NULL;
	if (r == 0)
		assert_true(public.len > 100);
	return r;
}

/* --- which key ----------------------------------------------------------------------------- */

static const struct maker_key {
	enum pkey_type type;
	uint32_t handle; /* 0 = the maker left none, and no certificate */
} OF_2048[] =
	{
		{PKEY_RSA_2048, 0x81010001},
		{PKEY_ECC_P384, 0x81010016},
		{PKEY_ECC_P256, 0},
},
  OF_3072[] = {
	  {PKEY_RSA_3072, 0x8101001c},
	  {PKEY_ECC_P384, 0x81010016},
	  {PKEY_RSA_2048, 0},
};

static void check_maker_key(struct bench *bench, const struct maker_key *key)
{
	struct engine_ek ek = {0}, again = {0};
	uint64_t made = transport_command_count_of(TPM2_CC_CreatePrimary);

	assert_int_equal(ask(bench, key->type, &ek), 0);
	assert_int_equal(ek.type, key->type);
	assert_int_equal(ek.handle, key->handle);
	assert_int_equal(ek.certificate.len > 0, key->handle != 0);
	assert_int_equal(certificate_len(ek.certificate), ek.certificate.len);
	assert_string_equal(engine_ek_remark(bench->engine), "");
	made = transport_command_count_of(TPM2_CC_CreatePrimary) - made;
	assert_int_equal(made, key->handle ? 0 : 1);
	/* Told from memory; a certificate may still come. */
	(void)bench_cost();
	assert_int_equal(ask(bench, key->type, &again), 0);
	assert_int_equal(bench_cost(), key->handle ? 0 : 1);
	assert_true(name_equal(&ek.name, &again.name));
}

static void test_as_the_maker_left_them(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(OF_2048); i++)
		check_maker_key(*state, &OF_2048[i]);
}

static void test_as_the_maker_left_them_3072(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(OF_3072); i++)
		check_maker_key(*state, &OF_3072[i]);
}

static void test_no_type_is_asked_for(void **state)
{
	struct bench *bench = *state;
	struct engine_ek ek = {0};

	assert_int_equal(ask(bench, PKEY_TYPES, &ek), 0);
	assert_int_equal(ek.type, PKEY_RSA_2048);
	(void)bench_cost();
	assert_int_equal(ask(bench, PKEY_TYPES, &ek), 0);
	assert_int_equal(bench_cost(), 0);
}

/* A chip without anything: the keys are those that the stock tool makes. */
static void test_as_the_stock_tool_makes_them(void **state)
{
	static const struct {
		enum pkey_type type;
		const char *algorithm;
	} CASES[] = {{PKEY_ECC_P256, "ecc"}, {PKEY_RSA_2048, "rsa"}};
	struct bench *bench = *state;
	struct engine_ek ek = {0};

	assert_int_equal(ask(bench, PKEY_TYPES, &ek), 0);
	assert_int_equal(ek.type, PKEY_ECC_P256);
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf ours = BUF_INIT(1024);
		CLEANUP(buf_fini) struct buf theirs = BUF_INIT(1024);
		char context[96], public[96];
		bool made;

		ek.public = &ours;
		assert_int_equal(engine_ek(bench->engine, CASES[i].type, &ek, &bench->err), 0);
		assert_int_equal(ek.handle, 0);
		assert_int_equal(ek.certificate.len, 0);
		snprintf(context, sizeof(context), "%s/ek.ctx", bench->chip->dir);
		snprintf(public, sizeof(public), "%s/ek.pub", bench->chip->dir);
		engine_free(TAKE(bench->engine));
		assert_int_equal(TOOL_RUN("tpm2_createek", "-T", bench->chip->conf, "-G",
					  CASES[i].algorithm, "-c", context, "-u", public),
				 0);
		assert_int_equal(bench_reopen(bench, true, &made), 0);
		tool_read(bench->chip->dir, "ek.pub", &theirs);
		assert_true(slice_equal(buf_slice(&ours), buf_slice(&theirs)));
	}
}

/* Keys of another seed or template in the place of an endorsement key are none. */
static void test_impostors(void **state)
{
	struct bench *bench = *state;
	TPM2B_PUBLIC template, public;
	struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	struct engine_ek ek = {0};
	struct root made;

	assert_int_equal(public_endorsement(PKEY_ECC_P256, false, &template, &bench->err), 0);
	assert_int_equal(chip_create_primary(bench->engine, &primary, &made, &public), 0);
	assert_int_equal(chip_persist(bench->engine, &made, 0x81010002), 0);
	assert_int_equal(chip_flush(bench->engine, made.handle), 0);
	assert_int_equal(public_storage(PKEY_ECC_P256, &template, &bench->err), 0);
	primary.hierarchy = TPM2_RH_ENDORSEMENT;
	assert_int_equal(chip_create_primary(bench->engine, &primary, &made, &public), 0);
	assert_int_equal(chip_persist(bench->engine, &made, 0x81010003), 0);
	assert_int_equal(chip_flush(bench->engine, made.handle), 0);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_int_equal(ek.handle, 0);
}

/* The key that was told of is made persistent; and evicted; the Name stays. */
static void test_comes_and_goes(void **state)
{
	struct bench *bench = *state;
	struct engine_ek ek = {0};
	struct engine_name name;
	struct root root;

	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	name = ek.name;
	assert_int_equal(ek_resident(bench->engine, PKEY_ECC_P256, &root), 0);
	assert_true(chip_is_of(root.handle, GROUP_TRANSIENT));
	assert_int_equal(chip_persist(bench->engine, &root, 0x81010005), 0);
	bench_reset_line(bench);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_int_equal(ek.handle, 0x81010005);
	assert_true(name_equal(&ek.name, &name));
	root = (struct root){.handle = 0x81010005, .name = name};
	assert_int_equal(chip_persist(bench->engine, &root, 0x81010005), 0);
	bench_reset_line(bench);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_int_equal(ek.handle, 0);
	assert_true(name_equal(&ek.name, &name));
}

/* What is said of a persistent one is the chip's word, not that of whoever sits on the bus. */
static void test_on_the_bus(void **state)
{
	static const char *const LIES[] = {"said", "hmac", "nonce", "cut", "tag"};
	struct bench *bench = *state;
	struct engine_name qualified, name;
	struct engine_ek ek = {0};
	TPM2B_PUBLIC public;
	struct root other;
	size_t i;

	assert_int_equal(ask(bench, PKEY_RSA_2048, &ek), 0);
	name = ek.name;
	for (i = 0; i < 2 * ARRAY_LEN(LIES); i++) {
		bench->in_clear = i >= ARRAY_LEN(LIES);
		bench_lie(bench, LIES[i % ARRAY_LEN(LIES)], TPM2_CC_ReadPublic);
		assert_int_equal(ask(bench, PKEY_RSA_2048, &ek), 0);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		assert_int_equal(ek.handle, 0x81010001);
		assert_true(name_equal(&ek.name, &name));
	}
	/* Another key's Name is not vouched for. */
	other = (struct root){.handle = 0x81010001, .name = bench->engine->srk.name};
	assert_true(rc_is_refusal(chip_read_qualified(bench->engine, &other, &public, &qualified)));
	other.name = name;
	assert_int_equal(chip_read_qualified(bench->engine, &other, &public, &qualified), 0);
}

/* --- certificates -------------------------------------------------------------------------- */

#define READABLE                                                                                   \
	(TPMA_NV_PPWRITE | TPMA_NV_PPREAD | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA | \
	 TPMA_NV_PLATFORMCREATE)

/* As the platform, past the engine; the chip's codes. */
static uint32_t define(struct bench *bench, uint32_t index, uint16_t size, uint32_t attributes,
		       const char *password)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(512);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_NV_DefineSpace);
	buf_put_u32(&command, TPM2_RH_PLATFORM);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u16(&command, (uint16_t)strlen(password));
	buf_put_str(&command, password);
	buf_put_u16(&command, 14);
	buf_put_u32(&command, index);
	buf_put_u16(&command, TPM2_ALG_SHA256);
	buf_put_u32(&command, attributes);
	buf_put_u16(&command, 0); /* no policy */
	buf_put_u16(&command, size);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

static uint32_t fill(struct bench *bench, uint32_t index, struct slice bytes)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	uint32_t code = 0;

	for (size_t at = 0; at < bytes.len && !code; at += 1024) {
		size_t len = bytes.len - at < 1024 ? bytes.len - at : 1024;

		raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_NV_Write);
		buf_put_u32(&command, TPM2_RH_PLATFORM);
		buf_put_u32(&command, index);
		raw_auth(&command, TPM2_RS_PW);
		buf_put_u16(&command, (uint16_t)len);
		buf_put(&command, slice_of(bytes.data + at, len));
		buf_put_u16(&command, (uint16_t)at);
		raw_end(&command);
		code = raw_send(bench, &command, &answer);
	}
	return code;
}

/* Defined and filled, with @padding bytes of 0xff behind. */
static void burn(struct bench *bench, uint32_t index, struct slice bytes, size_t padding)
{
	CLEANUP(buf_fini) struct buf all = BUF_INIT(8192);

	buf_put(&all, bytes);
	for (size_t i = 0; i < padding; i++)
		buf_put_u8(&all, 0xff);
	assert_int_equal(define(bench, index, (uint16_t)all.len, READABLE, ""), 0);
	assert_int_equal(fill(bench, index, buf_slice(&all)), 0);
}

/* What the maker's certificate authority signed for our P-256 key. */
static void issue(struct bench *bench, struct buf *ret_der)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(2048), public = BUF_INIT(1024);
	char key[96], ca[96], ca_key[96], out[96], der[96];
	struct engine_public parsed;
	struct engine_ek ek = {.public = &public};

	assert_int_equal(engine_ek(bench->engine, PKEY_ECC_P256, &ek, &bench->err), 0);
	assert_int_equal(engine_public_parse(buf_slice(&public), &parsed, &bench->err), 0);
	assert_int_equal(pkey_to_pem(parsed.key, &pem, &bench->err), 0);
	pkey_free(parsed.key);
	tool_write(bench->chip->dir, "ek.pem", buf_slice(&pem));
	snprintf(key, sizeof(key), "%s/ek.pem", bench->chip->dir);
	snprintf(ca, sizeof(ca), "%s/" CHIP_ISSUER, bench->chip->dir);
	snprintf(ca_key, sizeof(ca_key), "%s/signkey.pem", bench->chip->dir);
	snprintf(out, sizeof(out), "%s/request", bench->chip->dir);
	snprintf(der, sizeof(der), "%s/ek.der", bench->chip->dir);
	assert_int_equal(
		TOOL_RUN("openssl", "req", "-new", "-key", ca_key, "-subj", "/CN=ek", "-out", out),
		0);
	assert_int_equal(TOOL_RUN("openssl", "x509", "-req", "-in", out, "-force_pubkey", key,
				  "-CA", ca, "-CAkey", ca_key, "-set_serial", "7", "-outform",
				  "DER", "-out", der),
			 0);
	tool_read(bench->chip->dir, "ek.der", ret_der);
}

/* Longer than one read, padded, and the first that is asked for then. */
static void test_certificate_is_cut(void **state)
{
	struct bench *bench = *state;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(4096);
	struct engine_ek ek = {0};

	issue(bench, &der);
	burn(bench, 0x01c0000a, buf_slice(&der), 1100);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_true(slice_equal(ek.certificate, buf_slice(&der)));
	assert_int_equal(ek.chain.len, 0);
	assert_string_equal(engine_ek_remark(bench->engine), "");
	(void)bench_cost();
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(ask(bench, PKEY_TYPES, &ek), 0);
	assert_int_equal(ek.type, PKEY_ECC_P256);
}

/* In the high range a type has another key, and the certificate says which it is. */
static void test_certificate_of_the_high_range(void **state)
{
	struct bench *bench = *state;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(4096);
	struct engine_ek ek = {0};
	struct engine_name low;

	issue(bench, &der);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	low = ek.name;
	burn(bench, 0x01c00014, buf_slice(&der), 0);
	assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
	assert_false(name_equal(&ek.name, &low));
	assert_int_equal(ek.certificate.len, 0); /* it is of the other */
	assert_non_null(strstr(engine_ek_remark(bench->engine), "0x01c00014"));
	assert_non_null(strstr(engine_ek_remark(bench->engine), "another key"));
}

static void test_certificates_that_are_not_used(void **state)
{
	struct bench *bench = *state;
	CLEANUP(buf_fini) struct buf rsa = BUF_INIT(4096), issued = BUF_INIT(4096);
	struct engine_ek ek = {0};

	issue(bench, &issued);
	assert_int_equal(ask(bench, PKEY_RSA_2048, &ek), 0);
	buf_put(&rsa, ek.certificate);
	const struct {
		struct slice bytes;
		uint32_t attributes;
		const char *password, *remark;
	} CASES[] = {
		{buf_slice(&rsa), READABLE, "", "another key"},
		{slice_of(issued.data, issued.len - 1), READABLE, "", "no certificate"},
		{slice_str("0"), READABLE, "", "no certificate"},
		{slice_str("\x30\x02\x05\x00 and so on"), READABLE, "", "no certificate"},
		{slice_of(NULL, 0), READABLE, "", ""}, /* never written */
		{buf_slice(&issued), READABLE & ~(uint32_t)TPMA_NV_OWNERREAD, "password",
		 "not let it be read"},
		{buf_slice(&issued), READABLE & ~(uint32_t)(TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD),
		 "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf command = BUF_INIT(64), answer = BUF_INIT(4096);
		uint16_t size = (uint16_t)(CASES[i].bytes.len ? CASES[i].bytes.len : 64);

		assert_int_equal(
			define(bench, 0x01c0000a, size, CASES[i].attributes, CASES[i].password), 0);
		assert_int_equal(fill(bench, 0x01c0000a, CASES[i].bytes), 0);
		assert_int_equal(ask(bench, PKEY_ECC_P256, &ek), 0);
		assert_int_equal(ek.certificate.len, 0);
		if (CASES[i].remark[0])
			assert_non_null(strstr(engine_ek_remark(bench->engine), CASES[i].remark));
		else
			assert_string_equal(engine_ek_remark(bench->engine), "");
		raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_NV_UndefineSpace);
		buf_put_u32(&command, TPM2_RH_PLATFORM);
		buf_put_u32(&command, 0x01c0000a);
		raw_auth(&command, TPM2_RS_PW);
		raw_end(&command);
		assert_int_equal(raw_send(bench, &command, &answer), 0);
	}
}

/* PEM to DER, appended. */
static void take_pem(struct bench *bench, const char *name, struct buf *ret_der)
{
	char in[96], out[96];

	snprintf(in, sizeof(in), "%s/%s", bench->chip->dir, name);
	snprintf(out, sizeof(out), "%s/out.der", bench->chip->dir);
	assert_int_equal(TOOL_RUN("openssl", "x509", "-in", in, "-outform", "DER", "-out", out), 0);
	tool_read(bench->chip->dir, "out.der", ret_der);
}

/* One string of bytes over two indices, cut in the midst of a certificate, and padded. */
static void test_chain(void **state)
{
	struct bench *bench = *state;
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(8192);
	struct engine_ek ek = {0};
	struct slice first;

	take_pem(bench, CHIP_ISSUER, &chain);
	take_pem(bench, CHIP_ROOT, &chain);
	first = slice_of(chain.data, chain.len / 2 + 17);
	burn(bench, 0x01c00100, first, 0);
	burn(bench, 0x01c00101, slice_of(chain.data + first.len, chain.len - first.len), 100);
	assert_int_equal(ask(bench, PKEY_RSA_2048, &ek), 0);
	assert_true(slice_equal(ek.chain, buf_slice(&chain)));
	assert_int_equal(ask(bench, PKEY_ECC_P384, &ek), 0);
	assert_true(slice_equal(ek.chain, buf_slice(&chain)));
}

static void test_chain_of_rubbish(void **state)
{
	struct bench *bench = *state;
	struct engine_ek ek = {0};

	burn(bench, 0x01c00100, slice_str("\x30\x03not quite"), 0);
	assert_int_equal(ask(bench, PKEY_RSA_2048, &ek), 0);
	assert_true(ek.certificate.len > 0);
	assert_int_equal(ek.chain.len, 0);
	assert_non_null(strstr(engine_ek_remark(bench->engine), "0x01c00100"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name)	cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define CASE_MADE(name) cmocka_unit_test_setup_teardown(name, bench_setup_made, bench_teardown)
		CASE_MADE(test_as_the_maker_left_them),
		cmocka_unit_test_setup_teardown(test_as_the_maker_left_them_3072,
						bench_setup_made_3072, bench_teardown),
		CASE_MADE(test_no_type_is_asked_for),
		CASE(test_as_the_stock_tool_makes_them),
		CASE(test_impostors),
		CASE(test_comes_and_goes),
		CASE_MADE(test_on_the_bus),
		CASE_MADE(test_certificate_is_cut),
		CASE_MADE(test_certificate_of_the_high_range),
		CASE_MADE(test_certificates_that_are_not_used),
		CASE_MADE(test_chain),
		CASE_MADE(test_chain_of_rubbish),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
