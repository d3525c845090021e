/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Success and exit code must agree, and both with the form; all else is a defect of the helper.
 * What it says reaches logs and clients, so only printable ASCII of it goes on; of remedies, only
 * those that we know.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fapi/impl.h"

#define SAID_MAX 160u /* bytes of one text that are shown, with their NUL */
#define RC_LEN	 10u  /* "0x00060034" */

struct said {
	char text[SAID_MAX];
};

static struct said plain(struct slice text)
{
	struct said said = {{0}};
	size_t i;

	for (i = 0; i < text.len && i + 1 < sizeof(said.text); i++)
		said.text[i] =
			text.data[i] >= 0x20 && text.data[i] < 0x7f ? (char)text.data[i] : '?';
	return said;
}

static struct slice first_line(struct slice text)
{
	const uint8_t *end = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;

	return end ? slice_of(text.data, (size_t)(end - text.data)) : text;
}

/* ": line" behind what is said already, when there is a line. */
static int add_complaint(struct slice complaint, struct err *err)
{
	struct said said = plain(first_line(complaint));

	if (said.text[0] == '\0')
		return err->code;
	return err_set(err, err->code, "%s: %s", err->text, said.text);
}

static bool read_rc(const char *text, unsigned long *ret_rc)
{
	if (strlen(text) != RC_LEN || strncmp(text, "0x", 2) != 0 ||
	    strspn(text + 2, "0123456789abcdefABCDEF") != RC_LEN - 2)
		return false;
	*ret_rc = strtoul(text + 2, NULL, 16);
	return true;
}

/* The error that a failing helper tells of, or ERR_INVALID when it tells of none. */
static int told_error(const struct json_t *answer, struct err *ret_told, struct err *err)
{
	const char *code = "", *step = "", *text = "", *rc = NULL, *remedy = "";
	unsigned long origin = 0;
	int r = json_get_string(answer, "code", true, &code, err);

	if (r == 0)
		r = json_get_string(answer, "step", true, &step, err);
	if (r == 0)
		r = json_get_string(answer, "text", true, &text, err);
	if (r == 0)
		r = json_get_string(answer, "rc", false, &rc, err);
	if (r == 0)
		r = json_get_string(answer, "remedy", false, &remedy, err);
	if (r == 0 && rc && !read_rc(rc, &origin))
		r = err_set(err, ERR_INVALID, "/rc: not 0x and eight digits");
	if (r < 0)
		return r;
	err_set(ret_told, err_code_of_name(code), "%s: %s", plain(slice_str(step)).text,
		plain(slice_str(text)).text);
	(void)err_add_remedy(ret_told, remedy_known(remedy));
	if (origin != 0)
		(void)err_add_origin(ret_told, ERR_ORIGIN_TSS2, origin);
	return 0;
}

/* 0: @ret_told is what the helper says, its code 0 for success. */
static int read_answer(const struct child_end *end, struct slice out, struct err *ret_told,
		       struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *answer = NULL;
	bool ok = false;
	int r = json_parse(out, &answer, err);

	if (r == 0)
		r = json_get_bool(answer, "ok", true, &ok, err);
	if (r < 0)
		return r;
	if (ok != (end->exit_code == 0))
		return err_set(err, ERR_INVALID, "/ok: does not fit the exit code %d",
			       end->exit_code);
	return ok ? 0 : told_error(answer, ret_told, err);
}

int answer_judge(const struct child_end *end, struct slice out, struct slice complaint,
		 struct err *err)
{
	struct err told = {0}, garbled = {0};

	if (end->exit_code < 0)
		err_set(err, ERR_INTERNAL, "holdfast-fapi ended by signal %d", end->signal);
	else if (end->exit_code > 1)
		err_set(err, ERR_INTERNAL, "holdfast-fapi ended with %d", end->exit_code);
	else if (read_answer(end, out, &told, &garbled) < 0)
		err_set(err, ERR_INTERNAL, "holdfast-fapi answered no JSON that is understood (%s)",
			plain(slice_str(garbled.text)).text);
	else if (told.code == 0)
		return 0;
	else {
		*err = told;
		return err->code;
	}
	return add_complaint(complaint, err);
}
