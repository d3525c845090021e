/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TEST_MADE_H
#define LOADER_TEST_MADE_H

/* Made: releases of version 2 that are taken into a world's cache. */

#include "loader/cache_impl.h"
#include "loader/test_release.h"

/* All that a test needs of a release; files are paths below the cache. */
struct made {
	struct release of;
	char partial[96], progress[96];
};

/* The device that they are for, of a group of tests. */
int made_begin(void **state);
int made_end(void **state);

/* Of models/@name. */
struct made *made_new(const char *name, uint64_t serial, unsigned format);
void made_free(struct made *made);
MEM_DEFINE_CLEANUP(made)
/* Another device key of it. */
void made_wrap(struct made *made);
struct resource made_resource(const struct made *made);

void made_put_payload(struct world *world, const struct made *made);
int made_take(struct world *world, const struct made *made, struct err *err);
/* With its payload, and without a fault. */
void made_must_take(struct world *world, const struct made *made);
/* It is what a loader without the API finds, and can use. */
bool made_is_whole(struct world *world, const struct made *made);

#endif
