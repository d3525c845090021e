/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_TEST_FIXTURE_H
#define KEYSTORE_TEST_FIXTURE_H

/* What the tests of the keystore share: two tenants, two devices, a state folder. */

#include "keystore/keystore.h"

extern const struct keystore_tenant ACME, HOST;

struct world {
	struct provider *p;
	struct provider *other; /* with another host key */
	struct err err;
};

/* For one test; *state is a struct world. */
int world_open(void **state);
int world_close(void **state);

/* So many bytes of no meaning. */
struct secret *pattern(size_t size);

struct folder {
	char root[4096];
	struct store *store;
};
void folder_open(struct folder *folder, struct world *world);
void folder_close(struct folder *folder);

/* Cuts the file of the tenant "acme" short, or removes it. */
void folder_tear(const struct folder *folder, const char *name, bool remove_it);

#endif
