/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TEST_FIXTURE_H
#define STORE_TEST_FIXTURE_H

/* Fixture: a state folder of one's own, and hands to spoil files in it. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/slice.h"
#include "store/store.h"

struct fixture {
	char root[PATH_MAX]; /* removed at the end */
	char state[PATH_MAX + 16];
	struct store *store;
	struct err err;
};

/* With the store open and its key set. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opens the store again, as the next start of the program would. */
void fixture_reopen(struct fixture *fixture);

/* By path below the state folder. */
void fixture_put(const struct fixture *fixture, const char *path, struct slice bytes);
void fixture_get(const struct fixture *fixture, const char *path, struct buf *ret_bytes);
bool fixture_has(const struct fixture *fixture, const char *path);
void fixture_delete(const struct fixture *fixture, const char *path);

/* An empty folder where there was a file: nobody can read it as one, not even root. */
void fixture_put_folder(const struct fixture *fixture, const char *path);

#endif
