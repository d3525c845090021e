/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks for: renewal, a CA's certificate, the way from software to the TPM. */
#include "identity/test_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "crypto/certificate.h"
#include "crypto/request.h"
#include "crypto/x509.h"

#define CERTIFICATE "config/device.cert.pem"
#define SOFT_KEY    "config/device.key.pem"
#define JOURNAL	    "persist/holdfast/identity.journal"
#define MARKER	    "persist/config/tpm_in_use"
#define PREVIOUS    "persist/holdfast/previous"

static bool same(const struct buf *a, const struct buf *b)
{
	return slice_equal(buf_slice(a), buf_slice(b));
}

static void copy(struct buf *to, const struct buf *from)
{
	buf_reset(to);
	buf_put(to, buf_slice(from));
}

/* A certificate of @spki by a CA of the test's own, with that behind it, in PEM. */
static void by_ca(const struct world *world, const struct buf *spki, struct buf *ret_pem)
{
	CLEANUP(buf_fini) struct buf ca_spki = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf ca_chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(pkey_cleanup) struct pkey *ca = NULL;
	struct certificate_order order = {.now = WORLD_NOW};
	struct signer signer = {0};
	struct err err;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &ca, &err), 0);
	assert_int_equal(pkey_to_spki(ca, &ca_spki, &err), 0);
	signer.soft = ca;
	order.spki = buf_slice(&ca_spki);
	assert_int_equal(identity_certify(world->identity, &signer, &order, &ca_chain, &err), 0);
	order.spki = buf_slice(spki);
	order.issuer = buf_slice(&ca_chain);
	assert_int_equal(identity_certify(world->identity, &signer, &order, &chain, &err), 0);
	buf_put(&chain, buf_slice(&ca_chain));
	assert_int_equal(x509_chain_to_pem(buf_slice(&chain), ret_pem, &err), 0);
}

static struct world *software(void **state)
{
	struct world *world = *state;

	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_settles(world, IDENTITY_SOFTWARE);
	return world;
}

/* The file is what the view says, also after a restart. */
static void stays(struct world *world, enum identity_mode mode)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);

	copy(&chain, &world->view->chain);
	assert_int_equal(
		identity_certificate_read(identity_files_of(world->identity), &file, &world->err),
		0);
	assert_true(same(&file, &chain));
	world_boot(world);
	world_settles(world, mode);
	assert_true(same(&world->view->chain, &chain));
	assert_string_equal(world->view->alarm, "");
	world_signs(world);
}

static void renew(struct world *world, enum identity_mode mode)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);

	copy(&spki, &world->view->spki);
	copy(&chain, &world->view->chain);
	world->now.now += 86400;
	assert_int_equal(world_order(world, IDENTITY_RENEW), 0);
	assert_true(same(&spki, &world->view->spki));
	assert_false(same(&chain, &world->view->chain));
	assert_int_equal(world->view->generation, 1);
	world_chain(world, 1);
	stays(world, mode);
}

static void renewed(void **state)
{
	struct world *world = *state;

	world_settles(world, IDENTITY_ENABLED);
	renew(world, IDENTITY_ENABLED);
	renew(world, IDENTITY_ENABLED);
	assert_int_equal(world_count(world, PREVIOUS), 2);
}

/* What was in force can be found in previous/, as it was. */
static void is_in_previous(const struct world *world, const struct buf *chain)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	struct dirent *entry;
	bool there = false;
	char path[512];
	struct err err;
	DIR *dir;

	assert_int_equal(x509_chain_to_pem(buf_slice(chain), &pem, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/" PREVIOUS, world->dir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		CLEANUP(buf_fini) struct buf file = BUF_INIT(X509_CHAIN_PEM_MAX);

		if (entry->d_name[0] == '.')
			continue;
		assert_true(snprintf(path, sizeof(path), PREVIOUS "/%s", entry->d_name) > 0);
		world_get(world, path, &file);
		there = there || same(&file, &pem);
	}
	(void)closedir(dir);
	assert_true(there);
}

static void renewed_in_software(void **state)
{
	struct world *world = software(state);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);

	copy(&chain, &world->view->chain);
	renew(world, IDENTITY_SOFTWARE);
	is_in_previous(world, &chain);
	assert_int_equal(world_count(world, PREVIOUS), 1);
}

/* A CA's certificates, whose file cannot be read, are in the record: they do not go with it. */
static void renewed_over_unreadable(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);

	world_settles(world, IDENTITY_ENABLED);
	by_ca(world, &world->view->spki, &pem);
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, buf_slice(&pem), NULL), 0);
	copy(&chain, &world->view->chain);
	world_wipe(world, CERTIFICATE); /* no file lies there, but a folder */
	world_settles(world, IDENTITY_ENABLED);
	assert_non_null(strstr(world->view->alarm, "cannot be read"));
	assert_int_equal(world_order(world, IDENTITY_RENEW), 0);
	world_chain(world, 1);
	is_in_previous(world, &chain);
}

/* A view that somebody holds outlives the next one. */
static void views_are_held(void **state)
{
	struct world *world = *state;
	struct identity_view *before;

	world_settles(world, IDENTITY_ENABLED);
	before = identity_view_hold(world->view);
	assert_int_equal(world_order(world, IDENTITY_RENEW), 0);
	assert_ptr_not_equal(before, world->view);
	assert_int_equal(before->mode, IDENTITY_ENABLED);
	assert_true(before->chain.len > 0);
	identity_view_free(before);
	assert_null(identity_view_hold(NULL));
	/* An order that changes nothing is no news. */
	before = world->view;
	assert_int_equal(world_order(world, IDENTITY_INIT), ERR_CONFLICT);
	assert_ptr_equal(before, world->view);
}

static void install(struct world *world, enum identity_mode mode)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	CLEANUP(buf_fini) struct buf other = BUF_INIT(X509_CHAIN_PEM_MAX);
	CLEANUP(buf_fini) struct buf another = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf before = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(buf_fini) struct buf request = BUF_INIT(REQUEST_PEM_MAX);

	copy(&before, &world->view->chain);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &key, &world->err), 0);
	assert_int_equal(pkey_to_spki(key, &another, &world->err), 0);
	by_ca(world, &another, &other);
	assert_int_equal(world_order_pem(world, IDENTITY_REQUEST, slice_of(NULL, 0), &request), 0);
	assert_memory_equal(request.data, "-----BEGIN CERTIFICATE REQUEST-----", 35);
	/* Of another key; no certificate; one that its successor has not signed. */
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, buf_slice(&other), NULL),
			 ERR_INVALID);
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, slice_str("rubbish"), NULL),
			 ERR_INVALID);
	by_ca(world, &world->view->spki, &pem);
	buf_put(&pem, buf_slice(&other));
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, buf_slice(&pem), NULL),
			 ERR_INVALID);
	assert_true(same(&before, &world->view->chain));
	assert_string_equal(world->view->alarm, "");
	buf_reset(&pem);
	by_ca(world, &world->view->spki, &pem);
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, buf_slice(&pem), NULL), 0);
	world_chain(world, 2);
	is_in_previous(world, &before);
	stays(world, mode);
}

static void installed(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);

	world_settles(world, IDENTITY_ENABLED);
	install(world, IDENTITY_ENABLED);
	/* Deleted, it comes back from the record. */
	copy(&chain, &world->view->chain);
	world_remove(world, CERTIFICATE);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same(&chain, &world->view->chain));
}

static void installed_in_software(void **state)
{
	install(software(state), IDENTITY_SOFTWARE);
}

/* --- software: its files --- */

static void upgrade_from_old(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(same(&spki, &world->view->spki));
	assert_true(world->view->tpm_available);
	assert_int_equal(world->view->generation, 1);
	assert_int_equal(world_keys(world), 0);
	world_signs(world);
	/* Certificate deleted, key kept. */
	world_remove(world, CERTIFICATE);
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(same(&spki, &world->view->spki));
	world_chain(world, 1);
	stays(world, IDENTITY_SOFTWARE);
}

static void all_deleted(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world_settles(world, IDENTITY_SOFTWARE);
	world_remove(world, CERTIFICATE);
	world_remove(world, SOFT_KEY);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_false(same(&spki, &world->view->spki));
	assert_int_equal(world->view->generation, 2);
	assert_non_null(strstr(world->view->alarm, "new identity"));
	world_signs(world);
}

static void key_deleted(void **state)
{
	struct world *world = software(state);

	world_remove(world, SOFT_KEY);
	world_settles(world, IDENTITY_CONFLICT);
	assert_false(world->view->on_chip);
	assert_false(world_has(world, SOFT_KEY));
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_SOFTWARE);
	assert_int_equal(world->view->generation, 2);
	world_signs(world);
}

static void key_unreadable(void **state)
{
	struct world *world = software(state);
	CLEANUP(buf_fini) struct buf key = BUF_INIT(16384);
	CLEANUP(buf_fini) struct buf again = BUF_INIT(16384);

	world_get(world, SOFT_KEY, &key);
	world_put(world, SOFT_KEY, slice_str("torn"));
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(world->retry);
	assert_int_equal(identity_usable(world->view, &world->err), ERR_UNREADABLE);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_UNREADABLE);
	world_get(world, SOFT_KEY, &again);
	assert_true(slice_equal(buf_slice(&again), slice_str("torn")));
	world_put(world, SOFT_KEY, buf_slice(&key));
	world_settles(world, IDENTITY_SOFTWARE);
	world_signs(world);
}

/* --- migration --- */

static void begin(struct world *world)
{
	world_tpm(world, IDENTITY_TPM_OK);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), 0);
	assert_int_equal(world->view->mode, IDENTITY_SOFTWARE);
	assert_true(world->view->confirming);
	assert_int_equal(world_keys(world), 1);
}

/* The certificate that waits is its key's own; the proof is of the same key, by @old. */
static void succeeds(const struct world *world, struct slice old)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts own = X509_FACTS_INIT;
	CLEANUP(x509_facts_cleanup) struct x509_facts cross = X509_FACTS_INIT;
	const struct identity_view *view = world->view;
	struct err err;

	assert_int_equal(x509_read(buf_slice(&view->pending), &own, &err), 0);
	assert_true(own.self_signed);
	assert_string_equal(own.issuer, own.subject);
	assert_int_equal(x509_read(buf_slice(&view->cross), &cross, &err), 0);
	assert_false(cross.self_signed);
	assert_true(same(&own.spki, &cross.spki));
	assert_int_equal(x509_verify(buf_slice(&view->cross), old, &err), 0);
	assert_int_equal(x509_verify(buf_slice(&view->pending), old, &err), ERR_DAMAGED);
	assert_true(view->pending_handle != 0);
}

/* Under previous/, by the new key's fingerprint, which is the subject's end too. */
static void kept_cross(const struct world *world, const struct buf *cross)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	CLEANUP(buf_fini) struct buf kept = BUF_INIT(X509_CHAIN_PEM_MAX);
	CLEANUP(fd_close_cleanup) int fd = -1;
	char path[PATH_MAX];
	struct err err;

	assert_int_equal(x509_read(buf_slice(cross), &facts, &err), 0);
	assert_int_equal(x509_chain_to_pem(buf_slice(cross), &pem, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/holdfast/previous/%s.cross.pem",
		       identity_files_persist(identity_files_of(world->identity)),
		       strrchr(facts.subject, '-') + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(buf_grow(&kept, pem.len + 1));
	kept.len = pem.len;
	assert_int_equal(read(fd, kept.data, pem.len + 1), pem.len);
	assert_true(same(&pem, &kept));
}

static void migrated(void **state)
{
	struct world *world = software(state);
	CLEANUP(buf_fini) struct buf soft = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf pending = BUF_INIT(IDENTITY_CHAIN_MAX);
	CLEANUP(buf_fini) struct buf cross = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf request = BUF_INIT(REQUEST_PEM_MAX);

	copy(&soft, &world->view->spki);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), ERR_TPM_REQUIRED);
	assert_int_equal(world_order(world, IDENTITY_CONFIRM), ERR_CONFLICT);
	begin(world);
	/* The old one is in force, the new one is shown; what the old one signed is beside it. */
	assert_true(same(&soft, &world->view->spki));
	succeeds(world, buf_slice(&soft));
	world_signs(world);
	copy(&pending, &world->view->pending);
	copy(&cross, &world->view->cross);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), ERR_CONFLICT);
	assert_int_equal(world_order_pem(world, IDENTITY_REQUEST, slice_of(NULL, 0), &request), 0);
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(world->view->confirming && same(&pending, &world->view->pending) &&
		    same(&cross, &world->view->cross));
	assert_int_equal(world_order(world, IDENTITY_CONFIRM), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	assert_false(world_has(world, SOFT_KEY) || world_has(world, JOURNAL));
	assert_true(same(&pending, &world->view->chain) && world_has(world, MARKER));
	assert_false(same(&soft, &world->view->spki));
	assert_int_equal(world->view->generation, 2);
	world_chain(world, 1);
	kept_cross(world, &cross);
	stays(world, IDENTITY_ENABLED);
	assert_int_equal(world_order(world, IDENTITY_ROLLBACK), ERR_CONFLICT);
}

/* The CA's certificate for the key that waits comes before the swap. */
static void migrated_with_ca(void **state)
{
	struct world *world = software(state);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);

	begin(world);
	assert_int_equal(identity_chain_spki(buf_slice(&world->view->pending), &spki, &world->err),
			 0);
	by_ca(world, &spki, &pem);
	assert_int_equal(world_order_pem(world, IDENTITY_INSTALL, buf_slice(&pem), NULL), 0);
	assert_int_equal(world_order(world, IDENTITY_CONFIRM), 0);
	assert_true(same(&spki, &world->view->spki));
	world_chain(world, 2);
	stays(world, IDENTITY_ENABLED);
}

static void rolled_back(void **state)
{
	struct world *world = software(state);
	CLEANUP(buf_fini) struct buf soft = BUF_INIT(1024);

	copy(&soft, &world->view->spki);
	begin(world);
	world_tpm(world, IDENTITY_TPM_FAILED);
	assert_int_equal(world_order(world, IDENTITY_ROLLBACK), ERR_TPM_REQUIRED);
	assert_int_equal(world_order(world, IDENTITY_CONFIRM), ERR_TPM_REQUIRED);
	world_tpm(world, IDENTITY_TPM_OK);
	assert_int_equal(world_order(world, IDENTITY_ROLLBACK), 0);
	assert_false(world->view->confirming || world_has(world, JOURNAL));
	assert_int_equal(world_keys(world), 0);
	assert_true(same(&soft, &world->view->spki));
	stays(world, IDENTITY_SOFTWARE);
	begin(world);
}

/* The chip with the key that waits is cleared, or the software pair deleted. */
static void migration_void(void **state)
{
	struct world *world = software(state);

	begin(world);
	world_replace_chip(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_false(world->view->confirming || world_has(world, JOURNAL));
	begin(world);
	world_remove(world, SOFT_KEY);
	world_remove(world, CERTIFICATE);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(world_keys(world), 1);
	assert_false(world_has(world, JOURNAL));
}

static void off_is_off(void **state)
{
	struct world *world = *state;

	world->options.tpm = IDENTITY_OFF;
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), ERR_CONFLICT);
	assert_int_equal(world_keys(world), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(renewed),
		CASE(renewed_in_software),
		CASE(renewed_over_unreadable),
		CASE(views_are_held),
		CASE(installed),
		CASE(installed_in_software),
		CASE(upgrade_from_old),
		CASE(all_deleted),
		CASE(key_deleted),
		CASE(key_unreadable),
		CASE(migrated),
		CASE(migrated_with_ca),
		CASE(rolled_back),
		CASE(migration_void),
		CASE(off_is_off),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
