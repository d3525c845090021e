/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_TEST_PLACES_H
#define IDENTITY_TEST_PLACES_H

/*
 * Places: a machine's folders in a folder of one's own, and calls of the disk that are counted,
 * fail, or end the process, by way of the linker's --wrap.
 */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/files.h"

struct places {
	char root[64];
	char config[80], persist[80], run[80], state[80];
	struct identity_files *files;
	struct pkey *key; /* P-256 */
	struct buf spki, chain;
	struct err err;
};

/* Config, persist, run and state are there, and empty. */
int places_setup(void **state);
int places_teardown(void **state);

/* As the next start does. */
void places_reopen(struct places *places);
/* The same with config and persist below the state folder, where neither is there. */
void places_reopen_below(struct places *places);

/* By path below the root. */
void places_put(const struct places *places, const char *path, struct slice bytes);
void places_get(const struct places *places, const char *path, struct buf *ret_bytes);
bool places_has(const struct places *places, const char *path);
unsigned places_mode(const struct places *places, const char *path);
/* Whatever is there, with all in it; absent is good. */
void places_delete(const struct places *places, const char *path);
void places_put_folder(const struct places *places, const char *path);
void places_put_link(const struct places *places, const char *path, const char *target);
/* How many names a folder has; none where there is no folder. */
size_t places_count(const struct places *places, const char *folder);

/* A certificate that the key signed for itself, appended. */
void places_certify(const struct pkey *key, struct buf *ret_der);

/* A record of the key; the caller frees it. */
void places_record(const struct places *places, uint64_t generation,
		   struct identity_record *ret_record);

/* --- the disk --- */

enum disk_fault {
	DISK_GOOD,
	DISK_ENDS,  /* the process, before that call */
	DISK_FULL,  /* ENOSPC, from that call on */
	DISK_OTHER, /* a move into another folder is one onto another file system */
};
/* Counted are writes, syncs, moves, links, and the making and removing of names. */
void disk_set(enum disk_fault fault, unsigned at);

#define PLACES_TEST(name) cmocka_unit_test_setup_teardown(name, places_setup, places_teardown)

#endif
