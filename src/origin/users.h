/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_USERS_H
#define ORIGIN_USERS_H

/*
 * Users: who may log in, and how often somebody may guess. A password that was wrong costs its user
 * USERS_STEP_S of time; who is more than USERS_BURST of them behind waits, also with the right one.
 * All emails that nobody has are one user in that. So guessing is slow, and who guesses can keep a
 * user from logging in: that is why this is for tests and small sites. Wrong passwords beside a
 * token are counted for themselves, so that who has no token stops nobody who has one.
 */

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "origin/origin.h"

#define USERS_BURST  20u
#define USERS_STEP_S 3u

struct users;
/* @list and what it points to is borrowed. ERR_INVALID: an email is there twice, or a field is
 * empty or over V1_FIELD_MAX. */
int users_new(const struct origin_user *list, size_t count, struct users **ret_users,
	      struct err *err) MUST_CHECK;
void users_free(struct users *users);
MEM_DEFINE_CLEANUP(users)

/*
 * Who that is, at @now_us of CLOCK_MONOTONIC. ERR_NOT_FOUND: nobody has that email;
 * ERR_AUTH_FAILED: a wrong password; ERR_QUOTA: not now, which takes as long for all. The password
 * is compared in the same time for all of them.
 */
int users_login(struct users *users, struct slice email, struct slice password, uint64_t now_us,
		unsigned *ret_id, struct err *err) MUST_CHECK;
/* The same for one who has a token, with a count of its own. ERR_AUTH_FAILED also when there is no
 * such user. */
int users_confirm(struct users *users, unsigned id, struct slice password, uint64_t now_us,
		  struct err *err) MUST_CHECK;
/* Without a NUL. NULL: no such user. */
const struct secret *users_email(const struct users *users, unsigned id);

#endif
