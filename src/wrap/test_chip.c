/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this room makes against a chip and the stock tools, which know nothing of us: they import,
 * load and unseal our duplicates, and answer our challenges.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/chip.h"
#include "tests/support/tool.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"

#define PARENT	   "0x81000123"
#define OTHER	   "0x81000124"
#define ATTRIBUTES "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda"

static struct chip chip;

/* A file of the chip's folder, by its whole path; there are few at a time. */
static const char *in_dir(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", chip.dir, name);
	return path;
}

static int setup(void **state)
{
	char tcti[128];

	(void)state;
	chip_new(&chip);
	snprintf(tcti, sizeof(tcti), "swtpm:path=%s/s", chip.dir);
	setenv("TPM2TOOLS_TCTI", tcti, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	chip_free(&chip);
	return 0;
}

/* Nothing on this chip makes room by itself. */
static void make_room(void)
{
	assert_int_equal(TOOL_RUN("tpm2_flushcontext", "-Q", "-t"), 0);
}

/* A storage key at a handle, and what our reader makes of it. */
static struct wrap_public *make_parent(const char *kind, const char *handle)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(1024);
	struct wrap_public *public = NULL;
	struct err err = {0};

	(void)TOOL_RUN("tpm2_evictcontrol", "-Q", "-C", "o", "-c", handle);
	assert_int_equal(TOOL_RUN("tpm2_createprimary", "-Q", "-C", "o", "-G", kind, "-a",
				  ATTRIBUTES, "-c", in_dir("parent.ctx")),
			 0);
	assert_int_equal(
		TOOL_RUN("tpm2_evictcontrol", "-Q", "-C", "o", "-c", in_dir("parent.ctx"), handle),
		0);
	make_room();
	assert_int_equal(TOOL_RUN("tpm2_readpublic", "-Q", "-c", handle, "-f", "tss", "-o",
				  in_dir("parent.pub"), "-n", in_dir("parent.name")),
			 0);
	tool_read(chip.dir, "parent.pub", &area);
	assert_int_equal(wrap_public_read(buf_slice(&area), &public, &err), 0);
	return public;
}

static const char *const kinds[] = {"ecc256:aes128cfb", "ecc256:aes256cfb", "ecc384:aes128cfb",
				    "rsa2048:aes128cfb", "rsa2048:aes256cfb"};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(wrap_public_cleanup)
		struct wrap_public *public = make_parent(kinds[i], PARENT);
		CLEANUP(buf_fini) struct buf name = BUF_INIT(128);

		tool_read(chip.dir, "parent.name", &name);
		assert_true(slice_equal(wrap_public_name(public), buf_slice(&name)));
		assert_null(wrap_public_unfit(public));
	}
}

/* --- duplicates ---------------------------------------------------------------------------- */

static struct secret *secret_of(size_t len)
{
	struct secret *secret = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(len, &secret, &err), 0);
	for (size_t i = 0; i < len; i++)
		secret_data(secret)[i] = (uint8_t)(0xa0 + i);
	return secret;
}

/* Import, Load and Unseal; false when the chip has refused one of them. */
static bool chip_opens(const char *handle, const struct duplicate_made *made, struct buf *ret_data)
{
	bool opens;

	tool_write(chip.dir, "obj.pub", buf_slice(&made->public_area));
	tool_write(chip.dir, "obj.dup", buf_slice(&made->private_area));
	tool_write(chip.dir, "obj.seed", buf_slice(&made->seed));
	(void)remove(in_dir("obj.priv"));
	(void)remove(in_dir("obj.data"));
	opens = TOOL_RUN("tpm2_import", "-Q", "-C", handle, "-u", in_dir("obj.pub"), "-i",
			 in_dir("obj.dup"), "-s", in_dir("obj.seed"), "-r",
			 in_dir("obj.priv")) == 0 &&
		TOOL_RUN("tpm2_load", "-Q", "-C", handle, "-u", in_dir("obj.pub"), "-r",
			 in_dir("obj.priv"), "-c", in_dir("obj.ctx")) == 0;
	if (opens) {
		opens = TOOL_RUN("tpm2_unseal", "-Q", "-c", in_dir("obj.ctx"), "-o",
				 in_dir("obj.data")) == 0;
		make_room();
	}
	if (opens)
		tool_read(chip.dir, "obj.data", ret_data);
	return opens;
}

static void check_opens(const char *handle, const struct wrap_public *parent, size_t len)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *secret = secret_of(len);
	CLEANUP(buf_fini) struct buf data = BUF_INIT(1024);
	struct err err = {0};

	assert_int_equal(duplicate_make(parent, secret, &made, &err), 0);
	assert_true(chip_opens(handle, &made, &data));
	assert_true(slice_equal(buf_slice(&data), secret_slice(secret)));
}

static void test_duplicates(void **state)
{
	static const size_t sizes[] = {1, 64, 128};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(wrap_public_cleanup)
		struct wrap_public *parent = make_parent(kinds[i], PARENT);

		for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
			check_opens(PARENT, parent, sizes[k]);
	}
}

/* A sample of the bits: every one is tried in software (test_duplicate.c). */
static void check_flips(const char *kind, size_t step)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *parent = make_parent(kind, PARENT);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *secret = secret_of(64);
	CLEANUP(buf_fini) struct buf data = BUF_INIT(1024);
	struct buf *const parts[] = {&made.public_area, &made.private_area, &made.seed};
	struct err err = {0};

	assert_int_equal(duplicate_make(parent, secret, &made, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		for (size_t bit = 0; bit < 8 * parts[i]->len; bit += step) {
			uint8_t *byte = &parts[i]->data[bit / 8];

			*byte ^= (uint8_t)(1u << (bit % 8));
			if (chip_opens(PARENT, &made, &data)) {
				print_error("part %zu, bit %zu\n", i, bit);
				fail();
			}
			*byte ^= (uint8_t)(1u << (bit % 8));
		}
	}
	assert_true(chip_opens(PARENT, &made, &data));
}

static void test_flips(void **state)
{
	(void)state;
	check_flips("ecc256:aes128cfb", 41);
	check_flips("rsa2048:aes128cfb", 83);
}

static void test_another_parent(void **state)
{
	CLEANUP(wrap_public_cleanup)
	struct wrap_public *parent = make_parent("ecc256:aes128cfb", PARENT);
	CLEANUP(wrap_public_cleanup)
	struct wrap_public *other = make_parent("rsa2048:aes128cfb", OTHER);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *secret = secret_of(64);
	CLEANUP(buf_fini) struct buf data = BUF_INIT(1024);
	struct err err = {0};

	(void)state;
	assert_int_equal(duplicate_make(parent, secret, &made, &err), 0);
	assert_false(chip_opens(OTHER, &made, &data));
	assert_true(chip_opens(PARENT, &made, &data));
	assert_int_equal(duplicate_make(other, secret, &made, &err), 0);
	assert_false(chip_opens(PARENT, &made, &data));
}

/* --- challenges ---------------------------------------------------------------------------- */

/* TPM2_ActivateCredential by the storage key's password and the endorsement key's policy. */
static bool chip_answers(struct slice file, struct buf *ret_secret)
{
	char session[160];
	bool answers;

	tool_write(chip.dir, "challenge", file);
	(void)remove(in_dir("answer"));
	snprintf(session, sizeof(session), "session:%s", in_dir("session"));
	assert_int_equal(TOOL_RUN("tpm2_startauthsession", "-Q", "--policy-session", "-S",
				  in_dir("session")),
			 0);
	assert_int_equal(TOOL_RUN("tpm2_policysecret", "-Q", "-S", in_dir("session"), "-c", "e"),
			 0);
	answers = TOOL_RUN("tpm2_activatecredential", "-Q", "-c", PARENT, "-C", OTHER, "-i",
			   in_dir("challenge"), "-o", in_dir("answer"), "-P", session) == 0;
	(void)TOOL_RUN("tpm2_flushcontext", "-Q", in_dir("session"));
	if (answers)
		tool_read(chip.dir, "answer", ret_secret);
	return answers;
}

static struct wrap_public *make_ek(const char *kind)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(1024);
	struct wrap_public *public = NULL;
	struct err err = {0};

	(void)TOOL_RUN("tpm2_evictcontrol", "-Q", "-C", "o", "-c", OTHER);
	assert_int_equal(
		TOOL_RUN("tpm2_createek", "-Q", "-G", kind, "-c", OTHER, "-u", in_dir("ek.pub")),
		0);
	make_room();
	tool_read(chip.dir, "ek.pub", &area);
	assert_int_equal(wrap_public_read(buf_slice(&area), &public, &err), 0);
	return public;
}

static void check_challenge(const char *kind, size_t len)
{
	CLEANUP(wrap_public_cleanup)
	struct wrap_public *parent = make_parent("ecc256:aes128cfb", PARENT);
	CLEANUP(wrap_public_cleanup) struct wrap_public *ek = make_ek(kind);
	CLEANUP(secret_cleanup) struct secret *secret = secret_of(len);
	CLEANUP(buf_fini) struct buf file = BUF_INIT(CREDENTIAL_FILE_MAX);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(256);
	struct err err = {0};

	assert_int_equal(credential_make(ek, wrap_public_name(parent), secret, &file, &err), 0);
	assert_true(chip_answers(buf_slice(&file), &answer));
	assert_true(slice_equal(buf_slice(&answer), secret_slice(secret)));
	for (size_t bit = 64; bit < 8 * file.len; bit += 97) {
		file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(chip_answers(buf_slice(&file), &answer));
		file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	/* The same for a key that is not in this chip, of which nothing but its Name is known. */
	buf_reset(&file);
	assert_int_equal(credential_make(ek, wrap_public_name(ek), secret, &file, &err), 0);
	assert_false(chip_answers(buf_slice(&file), &answer));
}

static void test_challenges(void **state)
{
	(void)state;
	check_challenge("ecc", 32);
	check_challenge("ecc", 1);
	check_challenge("rsa", 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_flips),	   cmocka_unit_test(test_another_parent),
		cmocka_unit_test(test_challenges),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	return cmocka_run_group_tests(tests, setup, teardown);
}
