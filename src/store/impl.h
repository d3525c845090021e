/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_IMPL_H
#define STORE_IMPL_H

/* The inside of the store, shared by its files. */

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

#define STORE_LOCK	 "lock"
#define STORE_TENANTS	 "tenants"
#define STORE_QUARANTINE "quarantine"
#define STORE_REMOVED	 "removed"
#define STORE_DIR_MODE	 0700
#define STORE_FILE_MODE	 0600

struct store {
	int dir;  /* the state folder */
	int lock; /* held as long as it is open */
	struct secret *mac_key;
};

/* The folder that holds the records of a kind, below its tenant's. */
const char *store_kind_folder(enum store_kind kind);

/* What a file of that length counts. */
static inline uint64_t store_file_bytes(uint64_t len)
{
	return len < STORE_BLOCK ? STORE_BLOCK : len;
}

/*
 * Opens the folder under the state folder that @path leads to, component by component, so that no
 * link is followed anywhere on the way. @path ends with NULL and may be empty.
 */
int store_folder(const struct store *store, const char *const *path, bool create, int *ret_fd,
		 struct err *err) MUST_CHECK;

#endif
