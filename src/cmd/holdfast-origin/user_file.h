/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ORIGIN_USER_FILE_H
#define CMD_HOLDFAST_ORIGIN_USER_FILE_H

/*
 * User_file: who may log in, a line "email:password" for each. The email ends at the first colon;
 * the password is all that is behind it, blanks and colons too. Empty lines, and those that begin
 * with #, are passed over.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "origin/origin.h"

#define USER_FILE_MAX	(1024u * 1024u)
#define USER_FILE_USERS 4096u

struct user_file {
	struct origin_user *users;
	size_t count;
};

/* ERR_INVALID with the line's number: no colon, an empty field, one over V1_FIELD_MAX or with
 * control characters, or nobody at all. Fields are copied. */
int user_file_parse(struct slice text, struct user_file *ret_users, struct err *err) MUST_CHECK;

/* The same of the file @path, which only root and we may read (ERR_FORBIDDEN). */
int user_file_read(const char *path, struct user_file *ret_users, struct err *err) MUST_CHECK;
void user_file_fini(struct user_file *users);

#endif
