/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_RECIPE_H
#define BROKER_RECIPE_H

/*
 * Recipe: how an object is made again after the chip has forgotten it: from a persistent key or a
 * hierarchy down, step by step. Bytes in, bytes out; nothing here is sent.
 *
 * Format: version (1 byte), then each step: command code and handle (4 bytes each), authValue and
 * parameters (each with a length of 2 bytes before). Code 0 is the persistent object at that
 * handle, and its parameters are its Name; a handle of 0 is what the step before has made. Integers
 * are big-endian.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"

#define RECIPE_MAX	 3072u /* bytes */
#define RECIPE_STEPS_MAX 5u    /* a persistent key and four below it, or a primary one and four */

struct recipe_step {
	uint32_t code;
	uint32_t handle;
	struct slice auth; /* of what its handle names */
	struct slice parameters;
};

struct recipe_steps {
	struct recipe_step steps[RECIPE_STEPS_MAX];
	size_t count;
};

/* Borrows from @bytes. ERR_DAMAGED. */
int recipe_read(struct slice bytes, struct recipe_steps *ret_steps, struct err *err) MUST_CHECK;

/* @parent's steps (empty = none) and one more. ERR_TOO_LARGE: too deep or too long. */
int recipe_add(struct slice parent, const struct recipe_step *step, struct secret **ret_recipe,
	       struct err *err) MUST_CHECK;

/* The authValue that CreatePrimary gave the object it made; empty where that was not said. */
struct slice recipe_primary_auth(const struct recipe_step *step);

#endif
