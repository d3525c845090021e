/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/test_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "provider/legacy/legacy.h"

const struct keystore_tenant ACME = {.name = "acme", .id = "acme's random id"};
const struct keystore_tenant HOST = {.name = "host", .id = "another 16 bytes"};

static int open_provider(const char *key, struct provider **ret_p, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *host_key = NULL;
	int r = secret_copy(slice_str(key), &host_key, err);

	return r < 0 ? r : legacy_open(host_key, ret_p, err);
}

int world_open(void **state)
{
	static struct world world;

	world = (struct world){.p = NULL};
	*state = &world;
	if (open_provider("a host key of thirty-two bytes..", &world.p, &world.err) < 0 ||
	    open_provider("another host key of thirty-two b", &world.other, &world.err) < 0)
		return -1;
	return 0;
}

int world_close(void **state)
{
	struct world *world = *state;

	provider_free(world->p);
	provider_free(world->other);
	return 0;
}

struct secret *pattern(size_t size)
{
	struct secret *secret = NULL;
	struct err err;
	size_t i;

	assert_int_equal(secret_new(size, &secret, &err), 0);
	for (i = 0; i < size; i++)
		secret_data(secret)[i] = (uint8_t)(i * 7 + (i >> 8));
	return secret;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_open(struct folder *folder, struct world *world)
{
	CLEANUP(secret_cleanup) struct secret *root = pattern(32);
	const char *base = getenv("TMPDIR");

	(void)snprintf(folder->root, sizeof(folder->root), "%s/holdfast-keystore-XXXXXX",
		       base ? base : "/tmp");
	assert_non_null(mkdtemp(folder->root));
	assert_int_equal(store_open(folder->root, &folder->store, &world->err), 0);
	assert_int_equal(store_set_key(folder->store, root, &world->err), 0);
}

void folder_close(struct folder *folder)
{
	store_free(folder->store);
	(void)nftw(folder->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void folder_tear(const struct folder *folder, const char *name, bool remove_it)
{
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/tenants/acme/%s", folder->root, name);
	assert_int_equal(remove_it ? unlink(path) : truncate(path, 20), 0);
}
