/* SPDX-License-Identifier: Apache-2.0 */
/* tpm_in_use: told to others and never asked. */
#include "identity/files_impl.h"
#include "identity/files_text.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"

#define MARKER_MODE 0644
#define MARKER_MAX  4096u

/* The run folder's first: it can be read before others unlock the machine's. */
static const enum files_folder folders[] = {FILES_IN_RUN, FILES_IN_MARKER};

static void put_text(const struct identity_marker *marker, struct buf *text)
{
	buf_put_str(text, "{\"mode\":");
	json_put_string(text, marker->mode);
	text_put_hex(text, "key_name", marker->key_name);
	text_put_line(text, "boot_id", marker->boot_id);
	text_put_line(text, "time", marker->time);
	buf_put_str(text, "}\n");
}

int identity_marker_write(struct identity_files *files, const struct identity_marker *marker,
			  struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MARKER_MAX);
	int r = 0;

	put_text(marker, &text);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "no room for " FILES_MARKER);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders); i++)
		r = files_write(files, folders[i],
				&(struct files_content){.name = FILES_MARKER,
							.bytes = buf_slice(&text),
							.mode = MARKER_MODE},
				err);
	return r;
}

/* False when none is there, or none that can be read. */
static bool named_before(const struct identity_files *files, uint8_t *ret_name, size_t *ret_len)
{
	bool there = false;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		CLEANUP(secret_cleanup) struct secret *bytes = NULL;
		CLEANUP(json_cleanup) struct json_t *json = NULL;
		struct err ignored;

		if (files_read(files, folders[i], FILES_MARKER, MARKER_MAX, &bytes, &ignored) < 0)
			continue;
		there = true;
		if (json_parse(secret_slice(bytes), &json, &ignored) == 0 &&
		    text_get_hex(json, "key_name", ret_name, IDENTITY_NAME_MAX, ret_len,
				 &ignored) == 0)
			break;
	}
	return there;
}

void identity_marker_renew(struct identity_files *files, const struct identity_marker *marker)
{
	struct identity_marker now = *marker;
	uint8_t name[IDENTITY_NAME_MAX];
	size_t len = 0;
	struct err ignored;

	if (now.key_name.len == 0) {
		if (!named_before(files, name, &len))
			return;
		now.key_name = slice_of(name, len);
	}
	(void)!identity_marker_write(files, &now, &ignored);
}

static bool says(const struct json_t *json, const char *name, const char *wanted)
{
	const char *text = NULL;
	struct err ignored;

	return json_get_string(json, name, true, &text, &ignored) == 0 && strcmp(text, wanted) == 0;
}

bool identity_marker_is(struct identity_files *files, const struct identity_marker *marker)
{
	static const char *const members[] = {"mode", "key_name", "boot_id", "time"};
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf name = BUF_INIT(2 * IDENTITY_NAME_MAX + 1);
	struct err ignored;

	hex_encode(&name, marker->key_name);
	buf_put_u8(&name, '\0');
	return buf_ok(&name) &&
	       files_read(files, FILES_IN_MARKER, FILES_MARKER, MARKER_MAX, &bytes, &ignored) ==
		       0 &&
	       json_parse(secret_slice(bytes), &json, &ignored) == 0 &&
	       json_only(json, members, ARRAY_LEN(members), &ignored) == 0 &&
	       says(json, "mode", marker->mode) && says(json, "key_name", (const char *)name.data);
}

int identity_marker_remove(struct identity_files *files, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders); i++)
		r = files_remove(files, folders[i], FILES_MARKER, err);
	return r;
}
