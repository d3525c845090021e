/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of the suite, and its tests of sealing, random numbers and status. */

#include "tests/contract/contract_impl.h"

struct contract_factory *contract_factory;
struct provider *contract_provider;

static const uint8_t tenant[BLOB_TENANT_SIZE] = "contract tenant";

struct secret *contract_secret(size_t len)
{
	struct secret *secret = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(len, &secret, &err), 0);
	for (size_t i = 0; i < len; i++)
		secret_data(secret)[i] = (uint8_t)(i * 7 + 0x5a);
	return secret;
}

void contract_header(enum blob_kind kind, const char *name, struct buf *ret_bytes)
{
	struct blob_header header;

	blob_header_init(&header, contract_provider, kind, tenant, name, 1700000000);
	blob_header_write(&header, ret_bytes);
	assert_true(buf_ok(ret_bytes));
}

void contract_expect(int r, int wanted, const struct err *err, const char *what)
{
	if (r != wanted)
		fail_msg("%s: %d (%s), wanted %d", what, r, err->text, wanted);
	if (r < 0) {
		assert_int_equal(err->code, r);
		assert_true(err->text[0] != '\0');
	}
}

size_t contract_next(size_t i, size_t len)
{
	return i < 8 || i + 8 >= len ? i + 1 : i + 11;
}

static struct provider *open_device(unsigned device)
{
	struct provider *p = NULL;
	struct err err = {0};
	int r = contract_factory->open(contract_factory, device, &p, &err);

	contract_expect(r, 0, &err, "opening a device");
	return p;
}

void contract_reopen(void)
{
	provider_free(contract_provider);
	contract_provider = NULL;
	contract_provider = open_device(0);
}

/* A sealed secret with what it is bound to. */
struct sealed {
	struct buf header, object;
	struct secret *plain;
};

static void sealed_fini(struct sealed *s)
{
	buf_fini(&s->header);
	buf_fini(&s->object);
	secret_free(s->plain);
}

static struct sealed sealed_make(size_t len)
{
	struct sealed s = {.header = BUF_INIT(BLOB_HEADER_MAX),
			   .object = BUF_INIT(PROVIDER_OBJECT_MAX),
			   .plain = contract_secret(len)};
	struct err err = {0};

	contract_header(BLOB_SECRET, "sealed", &s.header);
	contract_expect(
		provider_seal(contract_provider, buf_slice(&s.header), s.plain, &s.object, &err), 0,
		&err, "seal");
	assert_true(s.object.len > 0 && s.object.len <= PROVIDER_OBJECT_MAX);
	return s;
}

/* Unseals; on failure *ret_plain must not have been touched. */
static int unseal(struct provider *p, const struct sealed *s, struct err *err)
{
	struct secret *const untouched = (struct secret *)(void *)&contract_factory;
	struct secret *plain = untouched;
	int r = provider_unseal(p, buf_slice(&s->header), buf_slice(&s->object), &plain, err);

	if (r < 0) {
		assert_ptr_equal(plain, untouched);
		return r;
	}
	assert_true(secret_equal(secret_slice(plain), secret_slice(s->plain)));
	secret_free(plain);
	return r;
}

static void expect_unseal(struct provider *p, const struct sealed *s, int wanted, const char *what)
{
	struct err err = {0};
	int r = unseal(p, s, &err);

	contract_expect(r, wanted, &err, what);
}

static void test_seal_sizes(void **state)
{
	static const size_t sizes[] = {1, 32, 127, 128};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(sealed_fini) struct sealed s = sealed_make(sizes[i]);

		expect_unseal(contract_provider, &s, 0, "unseal");
		expect_unseal(contract_provider, &s, 0, "unseal again");
	}
}

/* A TPM's auth drops trailing zeros, its data must not. */
static void test_seal_zeros(void **state)
{
	CLEANUP(sealed_fini)
	struct sealed s = {.header = BUF_INIT(BLOB_HEADER_MAX),
			   .object = BUF_INIT(PROVIDER_OBJECT_MAX)};
	struct err err = {0};

	(void)state;
	assert_int_equal(secret_new(32, &s.plain, &err), 0);
	contract_header(BLOB_SEALED, "", &s.header);
	contract_expect(
		provider_seal(contract_provider, buf_slice(&s.header), s.plain, &s.object, &err), 0,
		&err, "seal zeros");
	expect_unseal(contract_provider, &s, 0, "unseal zeros");
}

static void test_seal_refuses_sizes(void **state)
{
	static const struct {
		size_t len;
		int code;
	} sizes[] = {{0, ERR_INVALID}, {129, ERR_TOO_LARGE}, {4096, ERR_TOO_LARGE}};
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);

	(void)state;
	contract_header(BLOB_SECRET, "sealed", &header);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
		CLEANUP(secret_cleanup) struct secret *plain = contract_secret(sizes[i].len);
		struct err err = {0};
		int r = provider_seal(contract_provider, buf_slice(&header), plain, &object, &err);

		contract_expect(r, sizes[i].code, &err, "seal of a wrong size");
		assert_int_equal(object.len, 0);
	}
}

static void test_seal_twice_differs(void **state)
{
	CLEANUP(sealed_fini) struct sealed a = sealed_make(32);
	CLEANUP(sealed_fini) struct sealed b = sealed_make(32);

	(void)state;
	assert_false(slice_equal(buf_slice(&a.object), buf_slice(&b.object)));
}

static void test_seal_appends(void **state)
{
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
	CLEANUP(sealed_fini) struct sealed s = sealed_make(16);
	struct err err = {0};

	(void)state;
	buf_put_str(&object, "before");
	contract_expect(
		provider_seal(contract_provider, buf_slice(&s.header), s.plain, &object, &err), 0,
		&err, "seal behind other bytes");
	assert_memory_equal(object.data, "before", 6);
	buf_reset(&s.object);
	buf_put(&s.object, slice_of(object.data + 6, object.len - 6));
	expect_unseal(contract_provider, &s, 0, "unseal");
}

static void test_header_changed(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(32);

	(void)state;
	for (size_t i = 0; i < s.header.len; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		s.header.data[i] ^= bit;
		expect_unseal(contract_provider, &s, ERR_DAMAGED, "a changed header");
		s.header.data[i] ^= bit;
	}
	s.header.len--;
	expect_unseal(contract_provider, &s, ERR_DAMAGED, "a header that was cut");
	s.header.len++;
	expect_unseal(contract_provider, &s, 0, "the right header again");
}

static void test_object_changed(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(32);

	(void)state;
	for (size_t i = 0; i < s.object.len; i = contract_next(i, s.object.len)) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		s.object.data[i] ^= bit;
		expect_unseal(contract_provider, &s, ERR_DAMAGED, "a changed object");
		s.object.data[i] ^= bit;
	}
	expect_unseal(contract_provider, &s, 0, "the right object again");
}

static void test_object_cut(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(32);
	const size_t whole = s.object.len;

	(void)state;
	for (size_t len = 0; len < whole; len = contract_next(len, whole)) {
		s.object.len = len;
		expect_unseal(contract_provider, &s, ERR_DAMAGED, "an object that was cut");
	}
	s.object.len = whole;
	buf_put_u8(&s.object, 0);
	expect_unseal(contract_provider, &s, ERR_DAMAGED, "an object with a byte more");
}

static void test_objects_do_not_swap(void **state)
{
	CLEANUP(sealed_fini) struct sealed a = sealed_make(32);
	CLEANUP(buf_fini) struct buf other = BUF_INIT(BLOB_HEADER_MAX);
	struct buf own;

	(void)state;
	contract_header(BLOB_SECRET, "another", &other);
	own = a.header;
	a.header = other;
	expect_unseal(contract_provider, &a, ERR_DAMAGED, "under the header of another name");
	a.header = own;
	expect_unseal(contract_provider, &a, 0, "under its own");
}

static void test_other_device(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(32);
	CLEANUP(provider_cleanup) struct provider *other = open_device(1);
	struct blob_expect expect = {.kind = BLOB_SECRET, .tenant = tenant, .name = "sealed"};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(8192);
	struct blob blob;
	struct err err = {0};

	(void)state;
	assert_int_not_equal(unseal(other, &s, &err), 0);
	blob_write(buf_slice(&s.header), buf_slice(&s.object), slice_of(NULL, 0), &bytes);
	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	assert_int_equal(blob_check(&blob, &expect, contract_provider, &err), 0);
	assert_int_equal(blob_check(&blob, &expect, other, &err), ERR_WRONG_TPM);
	expect_unseal(contract_provider, &s, 0, "on its own device");
}

static void test_survives_reopen(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(64);
	uint8_t root[PROVIDER_ROOT_MAX], auth_id[8];
	size_t root_len = contract_provider->root_len;

	(void)state;
	assert_true(root_len > 0 && root_len <= PROVIDER_ROOT_MAX);
	memcpy(root, contract_provider->root, root_len);
	memcpy(auth_id, contract_provider->auth_id, sizeof(auth_id));
	contract_reopen();
	assert_int_equal(contract_provider->root_len, root_len);
	assert_memory_equal(contract_provider->root, root, root_len);
	assert_memory_equal(contract_provider->auth_id, auth_id, sizeof(auth_id));
	expect_unseal(contract_provider, &s, 0, "after closing and opening");
}

static void test_forget(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_make(32);

	(void)state;
	expect_unseal(contract_provider, &s, 0, "before it is forgotten");
	provider_forget(contract_provider, buf_slice(&s.object));
	provider_forget(contract_provider, buf_slice(&s.object));
	provider_forget(contract_provider, slice_str("never seen"));
	expect_unseal(contract_provider, &s, 0, "after it is forgotten");
}

/* More objects than a chip has slots, in turn. */
static void test_many(void **state)
{
	struct sealed many[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = sealed_make(1 + i);
	for (unsigned round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(many); i++)
			expect_unseal(contract_provider, &many[i], 0, "one of many");
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		sealed_fini(&many[i]);
}

static void test_random(void **state)
{
	static const size_t lens[] = {1, 32, 48, 65536};
	static uint8_t a[65536 + 1], b[65536 + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct err err = {0};

		a[lens[i]] = b[lens[i]] = 0x77;
		contract_expect(provider_random(contract_provider, a, lens[i], &err), 0, &err,
				"random");
		contract_expect(provider_random(contract_provider, b, lens[i], &err), 0, &err,
				"random");
		assert_int_equal(a[lens[i]], 0x77); /* exactly that many */
		assert_int_equal(b[lens[i]], 0x77);
		if (lens[i] >= 32) {
			assert_memory_not_equal(a, b, lens[i]);
			/* The end is filled too, and not with the beginning once more. */
			assert_memory_not_equal(a + lens[i] - 16, b + lens[i] - 16, 16);
			assert_memory_not_equal(a, a + lens[i] - 16, 16);
		}
	}
}

static void test_random_refuses(void **state)
{
	static uint8_t bytes[65537];
	struct err err = {0};

	(void)state;
	contract_expect(provider_random(contract_provider, bytes, 0, &err), ERR_INVALID, &err,
			"no random bytes");
	contract_expect(provider_random(contract_provider, bytes, sizeof(bytes), &err), ERR_INVALID,
			&err, "too many random bytes");
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
}

static void test_status(void **state)
{
	struct provider_status status = {.commands = 77};
	const struct provider_ops *ops = contract_provider->ops;

	(void)state;
	provider_status(contract_provider, &status);
	if (ops->kind == PROVIDER_SOFTWARE) {
		assert_string_equal(ops->protection, "software");
		assert_null(status.manufacturer);
		assert_null(status.firmware);
		assert_null(status.resource_manager);
		assert_null(status.tcti);
		assert_int_equal(status.commands, 0);
		assert_false(status.has_lockout);
		assert_int_equal(status.ek_name.len, 0);
		return;
	}
	assert_string_equal(ops->protection, "tpm");
	assert_non_null(status.manufacturer);
	assert_non_null(status.resource_manager);
	assert_true(status.commands > 0);
	assert_true(status.has_lockout);
	assert_true(status.lockout_max > 0);
	assert_int_equal(status.lockout_resets, 0);
}

static int setup(void **state)
{
	(void)state;
	contract_provider = open_device(0);
	return contract_keys_setup() < 0 || contract_uses_setup() < 0 || contract_attest_setup() < 0
		       ? -1
		       : 0;
}

static int teardown(void **state)
{
	(void)state;
	contract_keys_teardown();
	contract_uses_teardown();
	contract_attest_teardown();
	provider_free(contract_provider);
	contract_provider = NULL;
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_seal_sizes),
	cmocka_unit_test(test_seal_zeros),
	cmocka_unit_test(test_seal_refuses_sizes),
	cmocka_unit_test(test_seal_twice_differs),
	cmocka_unit_test(test_seal_appends),
	cmocka_unit_test(test_header_changed),
	cmocka_unit_test(test_object_changed),
	cmocka_unit_test(test_object_cut),
	cmocka_unit_test(test_objects_do_not_swap),
	cmocka_unit_test(test_other_device),
	cmocka_unit_test(test_survives_reopen),
	cmocka_unit_test(test_forget),
	cmocka_unit_test(test_many),
	cmocka_unit_test(test_random),
	cmocka_unit_test(test_random_refuses),
	cmocka_unit_test(test_status),
	cmocka_unit_test(contract_key_ecdsa),
	cmocka_unit_test(contract_key_rsa),
	cmocka_unit_test(contract_key_header_changed),
	cmocka_unit_test(contract_key_object_changed),
	cmocka_unit_test(contract_key_is_no_secret),
	cmocka_unit_test(contract_key_survives_reopen),
	cmocka_unit_test(contract_key_wrong_use),
	cmocka_unit_test(contract_key_bad_spec),
	cmocka_unit_test(contract_key_forget),
	cmocka_unit_test(contract_key_export_import),
	cmocka_unit_test(contract_key_export_empty_auth),
	cmocka_unit_test(contract_key_export_refused),
	cmocka_unit_test(contract_key_import_refused),
	cmocka_unit_test(contract_use_told),
	cmocka_unit_test(contract_use_enforced),
	cmocka_unit_test(contract_use_survives_reopen),
	cmocka_unit_test(contract_decrypt),
	cmocka_unit_test(contract_decrypt_refused),
	cmocka_unit_test(contract_agree),
	cmocka_unit_test(contract_agree_refused),
	cmocka_unit_test(contract_mac),
	cmocka_unit_test(contract_mac_key_changed),
	cmocka_unit_test(contract_pieces),
	cmocka_unit_test(contract_pieces_in_turn),
	cmocka_unit_test(contract_pieces_refused),
	cmocka_unit_test(contract_import_pkcs8),
	cmocka_unit_test(contract_import_pkcs8_refused),
	cmocka_unit_test(contract_attest_in_software),
	cmocka_unit_test(contract_attest_refuses),
	cmocka_unit_test(contract_aik_signs),
	cmocka_unit_test(contract_aik_pieces),
	cmocka_unit_test(contract_aik_is_no_key),
	cmocka_unit_test(contract_quote),
	cmocka_unit_test(contract_certify),
	cmocka_unit_test(contract_activate),
	cmocka_unit_test(contract_ek),
	cmocka_unit_test(contract_pcrs),
	cmocka_unit_test(contract_resident_in_software),
	cmocka_unit_test(contract_resident),
	cmocka_unit_test(contract_resident_of_others),
	cmocka_unit_test(contract_resident_is_bound),
	cmocka_unit_test(contract_resident_refuses),
	cmocka_unit_test(contract_storage_key),
	cmocka_unit_test(contract_unwrap_storage),
	cmocka_unit_test(contract_unwrap),
	cmocka_unit_test(contract_unwrap_many),
	cmocka_unit_test(contract_unwrap_changed),
	cmocka_unit_test(contract_unwrap_seed),
	cmocka_unit_test(contract_unwrap_elsewhere),
	cmocka_unit_test(contract_unwrap_others),
	cmocka_unit_test(contract_storage_activate),
	cmocka_unit_test(contract_guests),
	cmocka_unit_test(contract_unseal_loadable),
};

int contract_run(struct contract_factory *factory)
{
	contract_factory = factory;
	return cmocka_run_group_tests_name(factory->name, tests, setup, teardown);
}
