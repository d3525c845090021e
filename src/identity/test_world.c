/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "crypto/certificate.h"
#include "crypto/x509.h"
#include "provider/tpm/tpm.h"
#include "tests/support/folder.h"

#define AUTH_KEY_SIZE 32u /* tpm_provider_open() */

static void open_chip(struct world *world)
{
	struct buf record = BUF_INIT(TPM_STATE_MAX);
	struct tpm_options options = {.tcti = world->chip.conf,
				      .srk_handle = 0x81000002u,
				      .hsk_handle = WORLD_HSK,
				      .encrypt = true};

	assert_int_equal(tpm_provider_open(&options, world->auth_key, slice_of(NULL, 0), &world->p,
					   &record, &world->err),
			 0);
	assert_int_equal(tpm_provider_commit(world->p, &world->err), 0);
	buf_fini(&record);
	world->now.provider = world->p;
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	static const char *const folders[] = {"config", "persist", "run", "state"};
	char *const paths[] = {world->config, world->persist, world->run, world->state};

	assert_non_null(world);
	(void)snprintf(world->dir, sizeof(world->dir), "/tmp/holdfast-identity.XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		(void)snprintf(paths[i], sizeof(world->config), "%s/%s", world->dir, folders[i]);
		assert_int_equal(mkdir(paths[i], 0700), 0);
	}
	chip_new(&world->chip);
	assert_int_equal(secret_new(AUTH_KEY_SIZE, &world->auth_key, &world->err), 0);
	assert_int_equal(secret_new(AUTH_KEY_SIZE, &world->other_auth_key, &world->err), 0);
	memset(secret_data(world->other_auth_key), 0x5a, AUTH_KEY_SIZE);
	open_chip(world);
	world->options = (struct identity_options){
		.places = {.config = world->config,
			   .persist = world->persist,
			   .run = world->run,
			   .state = world->state},
		.tpm = IDENTITY_PREFER,
		.handle = WORLD_HANDLE,
		.provision = true,
		.subject = "",
		.days = 7300,
	};
	world->now.tpm = IDENTITY_TPM_OK;
	world->now.expected = true;
	world->now.boot_id = "d9e2b1a6-0000-4000-8000-000000000001";
	world->now.now = WORLD_NOW;
	world_boot(world);
	*state = world;
	return 0;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	identity_view_free(world->view);
	identity_free(world->identity);
	provider_free(world->p);
	chip_free(&world->chip);
	secret_free(world->auth_key);
	secret_free(world->other_auth_key);
	(void)folder_remove_all(world->dir);
	free(world);
	return 0;
}

void world_boot(struct world *world)
{
	identity_view_free(TAKE(world->view));
	identity_free(TAKE(world->identity));
	assert_int_equal(identity_new(&world->options, &world->identity, &world->err), 0);
}

static void take_view(struct world *world)
{
	identity_view_free(world->view);
	world->view = identity_view_of(world->identity);
}

int world_settle(struct world *world)
{
	int r = identity_settle(world->identity, &world->now, &world->retry, &world->err);

	take_view(world);
	assert_non_null(world->view);
	return r;
}

void world_settles(struct world *world, enum identity_mode mode)
{
	if (world_settle(world) < 0)
		fail_msg("%s", world->err.text);
	if (world->view->mode != mode)
		print_error("%s\n", world->view->reason);
	assert_int_equal(world->view->mode, mode);
}

int world_order_pem(struct world *world, enum identity_wish wish, struct slice pem,
		    struct buf *ret_pem)
{
	const struct identity_order order = {.wish = wish, .pem = pem};
	int r = identity_order(world->identity, &world->now, &order, ret_pem, &world->err);

	take_view(world);
	return r;
}

int world_order(struct world *world, enum identity_wish wish)
{
	return world_order_pem(world, wish, slice_of(NULL, 0), NULL);
}

void world_tpm(struct world *world, enum identity_tpm tpm)
{
	world->now.tpm = tpm;
	world->now.provider = tpm == IDENTITY_TPM_OK ? world->p : NULL;
	world->now.cause = tpm == IDENTITY_TPM_OK ? NULL : "switched off by the test";
}

void world_replace_chip(struct world *world)
{
	provider_free(TAKE(world->p));
	chip_replace(&world->chip);
	open_chip(world);
}

void world_swap_auth_key(struct world *world)
{
	struct secret *other = world->other_auth_key;

	world->other_auth_key = world->auth_key;
	world->auth_key = other;
	provider_free(TAKE(world->p));
	open_chip(world);
}

void world_stranger(struct world *world, unsigned count)
{
	static const struct key_spec spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN};

	for (unsigned i = 0; i < count; i++) {
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		struct slice header = slice_str("a stranger's");
		uint32_t handle = 0;

		assert_int_equal(provider_key_create(world->p, header, &spec, &key, &world->err),
				 0);
		assert_int_equal(provider_persist(world->p, header, buf_slice(&key.object),
						  WORLD_HANDLE, &handle, &world->err),
				 0);
	}
}

unsigned world_keys(struct world *world)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < WORLD_HANDLES; i++) {
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;

		if (WORLD_HANDLE + i == WORLD_HSK)
			continue;
		if (provider_resident(world->p, WORLD_HANDLE + i, &key, &world->err) == 0)
			count++;
	}
	return count;
}

/* --- files --- */

static void full_path(const struct world *world, const char *path, char ret_full[256])
{
	assert_true(snprintf(ret_full, 256, "%s/%s", world->dir, path) < 256);
}

bool world_has(const struct world *world, const char *path)
{
	char full[256];

	full_path(world, path, full);
	return access(full, F_OK) == 0;
}

unsigned world_count(const struct world *world, const char *folder)
{
	char full[256];
	unsigned count = 0;
	struct dirent *entry;
	DIR *dir;

	full_path(world, folder, full);
	dir = opendir(full);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

void world_remove(const struct world *world, const char *path)
{
	char full[256];

	full_path(world, path, full);
	(void)folder_remove_all(full);
	assert_false(world_has(world, path));
}

void world_wipe(const struct world *world, const char *path)
{
	char full[256];

	world_remove(world, path);
	full_path(world, path, full);
	assert_int_equal(mkdir(full, 0700), 0);
}

void world_put(const struct world *world, const char *path, struct slice bytes)
{
	char full[256];
	FILE *file;

	full_path(world, path, full);
	file = fopen(full, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
}

void world_get(const struct world *world, const char *path, struct buf *ret_bytes)
{
	char full[256], block[4096];
	size_t len;
	FILE *file;

	full_path(world, path, full);
	file = fopen(full, "re");
	assert_non_null(file);
	while ((len = fread(block, 1, sizeof(block), file)) > 0)
		buf_put(ret_bytes, slice_of(block, len));
	assert_int_equal(fclose(file), 0);
	assert_true(buf_ok(ret_bytes));
}

/* --- keys and certificates --- */

void world_soft_pair(const struct world *world, struct buf *ret_spki)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct certificate_order order = {.now = WORLD_NOW};
	struct signer signer = {0};
	struct err err;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &key, &err), 0);
	assert_int_equal(pkey_to_spki(key, ret_spki, &err), 0);
	order.spki = buf_slice(ret_spki);
	signer.soft = key;
	assert_int_equal(identity_certify(world->identity, &signer, &order, &chain, &err), 0);
	assert_int_equal(identity_soft_write(identity_files_of(world->identity), key, &err), 0);
	assert_int_equal(identity_certificate_write(identity_files_of(world->identity),
						    buf_slice(&chain), &err),
			 0);
}

void world_signs(struct world *world)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	uint8_t digest[32] = {1, 2, 3};
	struct slice hashed = slice_of(digest, sizeof(digest));

	assert_int_equal(identity_usable(world->view, &world->err), 0);
	assert_int_equal(identity_sign(world->view, world->now.provider, HASH_SHA256, hashed,
				       &signature, &world->err),
			 0);
	assert_int_equal(pkey_from_spki(buf_slice(&world->view->spki), &key, &world->err), 0);
	assert_int_equal(pkey_verify(key, PKEY_ECDSA, HASH_SHA256, hashed, buf_slice(&signature),
				     &world->err),
			 0);
}

void world_chain(struct world *world, size_t count)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	struct slice rest = buf_slice(&world->view->chain);
	size_t found = 0;

	assert_int_equal(identity_chain_spki(rest, &spki, &world->err), 0);
	assert_true(slice_equal(buf_slice(&spki), buf_slice(&world->view->spki)));
	assert_int_equal(x509_chain_check(rest, &world->err), 0);
	for (; rest.len > 0; found++) {
		size_t len = certificate_len(rest);

		assert_true(len > 0);
		rest = slice_of(rest.data + len, rest.len - len);
	}
	assert_int_equal(found, count);
}
