/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-origin/user_file.h"

#include <stdlib.h>

#include "cmd/holdfast-origin/lines.h"
#include "conf/text.h"

void user_file_fini(struct user_file *users)
{
	for (size_t i = 0; i < users->count; i++) {
		secret_free(users->users[i].email);
		secret_free(users->users[i].password);
	}
	free(users->users);
	*users = (struct user_file){.users = NULL};
}

static int check_field(struct slice field, const char *what, struct err *err)
{
	if (field.len == 0)
		return err_set(err, ERR_INVALID, "the %s is empty", what);
	if (field.len > V1_FIELD_MAX)
		return err_set(err, ERR_INVALID, "the %s is over %u bytes", what, V1_FIELD_MAX);
	for (size_t i = 0; i < field.len; i++)
		if (field.data[i] < 0x20 || field.data[i] == 0x7f)
			return err_set(err, ERR_INVALID, "the %s has a control character", what);
	return 0;
}

static int add_line(struct user_file *users, struct slice line, struct err *err)
{
	struct origin_user *user = &users->users[users->count];
	struct slice email = line, password;
	size_t at = 0;
	int r;

	while (at < line.len && line.data[at] != ':')
		at++;
	if (at == line.len)
		return err_set(err, ERR_INVALID, "there is no colon; allowed: email:password");
	email.len = at;
	password = slice_of(line.data + at + 1, line.len - at - 1);
	r = check_field(email, "email", err);
	if (r == 0)
		r = check_field(password, "password", err);
	if (r == 0 && users->count == USER_FILE_USERS)
		r = err_set(err, ERR_INVALID, "there are over %u users", USER_FILE_USERS);
	if (r < 0)
		return r;
	users->count++;
	r = secret_copy(email, &user->email, err);
	return r < 0 ? r : secret_copy(password, &user->password, err);
}

static int add_lines(struct user_file *users, struct slice text, struct err *err)
{
	unsigned number = 0;
	struct slice line;

	while (lines_next(&text, &number, &line))
		if (add_line(users, line, err) < 0)
			return err_wrap(err, "line %u", number);
	return users->count > 0 ? 0 : err_set(err, ERR_INVALID, "there are no users");
}

int user_file_parse(struct slice text, struct user_file *ret_users, struct err *err)
{
	CLEANUP(user_file_fini)
	struct user_file users = {
		.users = calloc(USER_FILE_USERS + 1, sizeof(*users.users)),
	};
	int r;

	if (!users.users)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = add_lines(&users, text, err);
	if (r < 0)
		return r;
	*ret_users = users;
	users = (struct user_file){.users = NULL};
	return 0;
}

int user_file_read(const char *path, struct user_file *ret_users, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(USER_FILE_MAX + 1);
	int r = text_read(path, TEXT_SECRET, &text, err);

	if (r == 0 && text.len > USER_FILE_MAX)
		r = err_set(err, ERR_TOO_LARGE, "the file is over %u bytes", USER_FILE_MAX);
	return r < 0 ? r : user_file_parse(buf_slice(&text), ret_users, err);
}
