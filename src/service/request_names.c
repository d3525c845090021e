/* SPDX-License-Identifier: Apache-2.0 */
#include "service/request_names.h"

#include <jansson.h>

#include "base/json.h"

#define TEXT_MAX 1024u /* bytes of one name */

static const char *const MEMBERS[REQUEST_KINDS] = {[REQUEST_DNS] = "dns",
						   [REQUEST_IP] = "ip",
						   [REQUEST_EMAIL] = "email",
						   [REQUEST_URI] = "uri"};

int request_names_point_at(const struct request_names *names, struct slice spki, struct err *err)
{
	size_t of_kind[REQUEST_KINDS] = {0};
	struct err why = *err;
	size_t i;

	for (i = 0; i < names->count; i++) {
		CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
		const struct request_name *name = &names->names[i];
		const struct request alone = {.spki = spki, .names = name, .count = 1};

		if (request_info(&alone, &info, err) < 0)
			return err_wrap(err, "/%s/%zu", MEMBERS[name->kind], of_kind[name->kind]);
		of_kind[name->kind]++;
	}
	*err = why;
	return names->subject.len > 0 || names->count == 0 ? err_wrap(err, "/subject") : why.code;
}

/* A string may hold what is no name; crypto/request.h says so. */
static int read_kind(const json_t *body, enum request_name_kind kind, struct request_names *into,
		     struct err *err)
{
	const char *member = MEMBERS[kind];
	const json_t *names = json_object_get(body, member);
	size_t i;

	if (!names)
		return 0;
	if (!json_is_array(names))
		return err_set(err, ERR_INVALID, "/%s: must be an array of strings", member);
	for (i = 0; i < json_array_size(names); i++) {
		const json_t *name = json_array_get(names, i);
		size_t len = json_string_length(name);

		if (!json_is_string(name) || len == 0 || len > TEXT_MAX)
			return err_set(err, ERR_INVALID,
				       "/%s/%zu: must be a string of 1 to %u bytes", member, i,
				       TEXT_MAX);
		if (into->count == REQUEST_NAMES_MAX)
			return err_set(err, ERR_INVALID, "/%s/%zu: over %u names in all", member, i,
				       REQUEST_NAMES_MAX);
		into->names[into->count++] = (struct request_name){
			.kind = kind, .text = slice_of(json_string_value(name), len)};
	}
	return 0;
}

int request_names_read(const struct json_t *body, bool needs_subject,
		       struct request_names *ret_names, struct err *err)
{
	const char *subject = "";
	size_t kind;
	int r;

	r = json_get_string(body, "subject", needs_subject, &subject, err);
	if (r < 0)
		return r;
	ret_names->subject = slice_str(subject);
	if (ret_names->subject.len > REQUEST_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "/subject: over %u bytes", REQUEST_SUBJECT_MAX);
	for (kind = 0; r == 0 && kind < REQUEST_KINDS; kind++)
		r = read_kind(body, (enum request_name_kind)kind, ret_names, err);
	return r;
}
