/* SPDX-License-Identifier: Apache-2.0 */
/* The suite's tests of keys that the chip keeps, and of the storage key above them. */

#include "tests/contract/contract_impl.h"

#define HANDLE	0x81000100u
#define NOWHERE 0x81000180u

static const uint8_t digest_bytes[32] = {3, 1, 4, 1, 5};
static const struct sign_request ecdsa = {
	.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = {digest_bytes, 32}};

static bool keeps(void)
{
	return contract_provider->ops->kind == PROVIDER_TPM;
}

/* A fresh key, and where it lies. */
struct kept {
	struct contract_key key;
	uint32_t handle;
};

static void kept_fini(struct kept *kept)
{
	contract_key_fini(&kept->key);
}

static void kept_make(const char *name, struct kept *ret_kept)
{
	*ret_kept = (struct kept){.key = {.name = name, .spec = {.type = PKEY_ECC_P256}}};
	assert_int_equal(contract_key_make(&ret_kept->key), 0);
}

static int persist(struct kept *kept, struct err *err)
{
	uint32_t handle = 77;
	int r = provider_persist(contract_provider, buf_slice(&kept->key.header),
				 buf_slice(&kept->key.made.object), HANDLE, &handle, err);

	if (r == 0)
		kept->handle = handle;
	else
		assert_int_equal(handle, 77);
	return r;
}

static struct provider_resident resident_of(const struct kept *kept)
{
	return (struct provider_resident){.handle = kept->handle,
					  .name = buf_slice(&kept->key.made.name)};
}

static int sign(const struct kept *kept, const struct provider_resident *key, struct slice header,
		struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	int r = provider_resident_sign(contract_provider, header, key, &ecdsa, &signature, err);

	if (r < 0) {
		assert_int_equal(signature.len, 0);
		return r;
	}
	assert_int_equal(pkey_from_spki(buf_slice(&kept->key.made.spki), &public, err), 0);
	assert_int_equal(pkey_verify(public, ecdsa.scheme, ecdsa.hash, ecdsa.digest,
				     buf_slice(&signature), err),
			 0);
	return 0;
}

static void expect_sign(const struct kept *kept, int wanted, const char *what)
{
	const struct provider_resident key = resident_of(kept);
	struct err err = {0};

	contract_expect(sign(kept, &key, buf_slice(&kept->key.header), &err), wanted, &err, what);
}

static void expect_evict(const struct kept *kept, int wanted, const char *what)
{
	const struct provider_resident key = resident_of(kept);
	struct err err = {0};

	contract_expect(provider_evict(contract_provider, &key, &err), wanted, &err, what);
}

static void expect_persist(struct kept *kept, int wanted, const char *what)
{
	struct err err = {0};

	contract_expect(persist(kept, &err), wanted, &err, what);
}

/* A key that may not be kept, whatever its header and object. */
static void expect_no_persist(struct slice header, struct slice object, int wanted,
			      const char *what)
{
	uint32_t handle = 77;
	struct err err = {0};

	contract_expect(provider_persist(contract_provider, header, object, HANDLE, &handle, &err),
			wanted, &err, what);
	assert_int_equal(handle, 77);
}

void contract_resident_in_software(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct err err = {0};

	(void)state;
	if (keeps())
		return;
	kept_make("kept", &kept);
	kept.handle = HANDLE;
	buf_put_str(&kept.key.made.name, "a Name");
	expect_persist(&kept, ERR_TPM_REQUIRED, "persist");
	expect_sign(&kept, ERR_TPM_REQUIRED, "sign");
	expect_evict(&kept, ERR_TPM_REQUIRED, "evict");
	contract_expect(provider_resident(contract_provider, HANDLE, &key, &err), ERR_TPM_REQUIRED,
			&err, "resident");
	assert_int_equal(key.spki.len + key.name.len + key.public.len, 0);
}

void contract_resident(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct err err = {0};

	(void)state;
	if (!keeps())
		return;
	kept_make("kept", &kept);
	for (int i = 0; i < 2; i++) {
		CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;

		expect_persist(&kept, 0, "persist");
		assert_int_equal(kept.handle, HANDLE);
		expect_sign(&kept, 0, "sign");
		expect_sign(&kept, 0, "sign again");
		contract_expect(provider_resident(contract_provider, HANDLE, &found, &err), 0, &err,
				"resident");
		assert_true(slice_equal(buf_slice(&found.name), buf_slice(&kept.key.made.name)));
		assert_true(slice_equal(buf_slice(&found.spki), buf_slice(&kept.key.made.spki)));
		assert_true(
			slice_equal(buf_slice(&found.public), buf_slice(&kept.key.made.public)));
		assert_int_equal(found.type, PKEY_ECC_P256);
		assert_int_equal(found.uses, KEY_USE_SIGN);
		assert_int_equal(found.object.len, 0);
		/* The object is what it was beside that. */
		contract_sign_and_verify(buf_slice(&kept.key.header), &kept.key.made, &ecdsa);
		contract_reopen();
	}
	provider_forget(contract_provider, buf_slice(&kept.key.made.object));
	expect_sign(&kept, 0, "sign after the object was forgotten");
	expect_evict(&kept, 0, "evict");
	expect_sign(&kept, ERR_TPM_CHANGED, "sign after evict");
	expect_evict(&kept, ERR_NOT_FOUND, "evict again");
	expect_persist(&kept, 0, "persist after evict");
	expect_sign(&kept, 0, "sign after that");
	expect_evict(&kept, 0, "evict at the end");
}

void contract_resident_of_others(void **state)
{
	CLEANUP(kept_fini) struct kept first = {.handle = 0};
	CLEANUP(kept_fini) struct kept second = {.handle = 0};
	struct kept swapped;

	(void)state;
	if (!keeps())
		return;
	kept_make("first", &first);
	kept_make("second", &second);
	expect_persist(&first, 0, "persist the first");
	expect_persist(&second, 0, "persist the second");
	assert_int_not_equal(first.handle, second.handle);
	swapped = first;
	swapped.handle = second.handle;
	expect_sign(&swapped, ERR_TPM_CHANGED, "sign where another key lies");
	expect_evict(&swapped, ERR_CONFLICT, "evict where another key lies");
	expect_sign(&first, 0, "sign with the first");
	expect_sign(&second, 0, "sign with the second");
	expect_evict(&first, 0, "evict the first");
	expect_sign(&second, 0, "sign with what is left");
	expect_evict(&second, 0, "evict the second");
}

void contract_resident_is_bound(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	CLEANUP(buf_fini) struct buf other = BUF_INIT(BLOB_HEADER_MAX);
	struct provider_resident key;
	struct err err = {0};

	(void)state;
	if (!keeps())
		return;
	kept_make("kept", &kept);
	contract_header(BLOB_KEY, "another", &other);
	expect_no_persist(buf_slice(&other), buf_slice(&kept.key.made.object), ERR_DAMAGED,
			  "another header");
	kept.key.made.object.data[20] ^= 1;
	expect_persist(&kept, ERR_DAMAGED, "a changed object");
	kept.key.made.object.data[20] ^= 1;
	expect_persist(&kept, 0, "persist");
	key = resident_of(&kept);
	contract_expect(sign(&kept, &key, buf_slice(&other), &err), ERR_DAMAGED, &err,
			"sign with another header");
	expect_sign(&kept, 0, "sign with its own");
	expect_evict(&kept, 0, "evict");
}

void contract_resident_refuses(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct contract_key exportable = {.name = "exportable",
					  .spec = {.type = PKEY_ECC_P256, .exportable = true}};
	struct provider_resident key = {.handle = 0x40000001u, .name = slice_str("a Name")};
	struct err err = {0};

	(void)state;
	if (!keeps())
		return;
	kept_make("kept", &kept);
	assert_int_equal(contract_key_make(&exportable), 0);
	expect_no_persist(buf_slice(&exportable.header), buf_slice(&exportable.made.object),
			  ERR_INVALID, "a key for export");
	contract_key_fini(&exportable);
	contract_header(BLOB_AIK, "kept", &header);
	expect_no_persist(buf_slice(&header), buf_slice(&kept.key.made.object), ERR_DAMAGED,
			  "the header of an AIK");
	contract_expect(provider_evict(contract_provider, &key, &err), ERR_INVALID, &err,
			"evict beyond the range");
	key = (struct provider_resident){.handle = HANDLE};
	contract_expect(provider_evict(contract_provider, &key, &err), ERR_INVALID, &err,
			"evict without a Name");
	contract_expect(sign(&kept, &key, buf_slice(&kept.key.header), &err), ERR_INVALID, &err,
			"sign without a Name");
	contract_expect(provider_resident(contract_provider, 0x81800000u, &found, &err),
			ERR_INVALID, &err, "the platform's range");
	contract_expect(provider_resident(contract_provider, NOWHERE, &found, &err), ERR_NOT_FOUND,
			&err, "nothing");
	assert_int_equal(found.spki.len + found.name.len + found.public.len, 0);
}

void contract_storage_key(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct provider_status before, after;
	struct err err = {0};

	(void)state;
	if (!keeps())
		return;
	provider_status(contract_provider, &before);
	contract_expect(provider_storage_key(contract_provider, &key, &err), 0, &err,
			"storage key");
	provider_status(contract_provider, &after);
	assert_int_equal(after.commands, before.commands);
	/* Headers name it as their root. */
	assert_true(slice_equal(buf_slice(&key.name),
				slice_of(contract_provider->root, contract_provider->root_len)));
	assert_true(key.spki.len > 0 && key.public.len > 0);
	assert_int_equal(key.object.len, 0);
	assert_int_equal(key.uses, 0);
}
