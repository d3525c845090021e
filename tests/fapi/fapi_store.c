/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of whole programs: makes a FAPI folder as the service does, and shows what the service
 * reads of an object in it.
 *
 *   fapi_store make FOLDER RUN PROFILE
 *   fapi_store show FOLDER PATH          prints {"public":"<hexadecimal>", ..}
 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "fapi/fapi.h"

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "%s: %s\n", err_info(err->code)->name, err->text);
	return 1;
}

static int make(const char *folder, const char *run, const char *profile)
{
	const struct fapi_place place = {.folder = folder, .run = run};
	const struct fapi_wish wish = {.profile_name = profile, .ek_cert_less = -1};
	struct err err;

	return fapi_folder_make(&place, &wish, &err) < 0 ? fail(&err) : 0;
}

static void put_hex(struct buf *text, const char *name, const uint8_t *bytes, size_t len)
{
	buf_printf(text, "\"%s\":\"", name);
	hex_encode(text, slice_of(bytes, len));
	buf_put_str(text, "\",");
}

static int show(const char *folder, const char *path)
{
	const struct fapi_place place = {.folder = folder};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(16u * 1024u);
	struct fapi_object object;
	struct err err;

	if (fapi_object_read(&place, path, &object, &err) < 0)
		return fail(&err);
	buf_put_str(&text, "{");
	put_hex(&text, "public", object.public_part, object.public_len);
	put_hex(&text, "private", object.private_part, object.private_len);
	put_hex(&text, "parent_name", object.parent_name, object.parent_name_len);
	buf_printf(&text, "\"parent_handle\":%u,\"sealed\":%d,\"auth\":%d,\"policy\":%d}\n",
		   object.parent_handle, object.sealed, object.with_auth, object.with_policy);
	return fwrite(text.data, 1, text.len, stdout) == text.len ? 0 : 1;
}

int main(int argc, char **argv)
{
	json_setup();
	if (argc == 5 && strcmp(argv[1], "make") == 0)
		return make(argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "show") == 0)
		return show(argv[2], argv[3]);
	return 2;
}
