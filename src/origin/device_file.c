/* SPDX-License-Identifier: Apache-2.0 */
/* A file that cannot be taken for certain closes the door to its device, and is never replaced. */

#include "origin/device_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/json.h"
#include "origin/folder.h"

#define SUFFIX	  ".json"
#define FILE_NAME (WRAP_NAME_HEX + sizeof(SUFFIX))

static int not_one(struct err *err)
{
	return err_set(err, ERR_UNREADABLE, "the file of this device cannot be taken");
}

/* @text has to be a Name in hex. */
static bool read_name(const char *text, uint8_t ret_name[WRAP_NAME_SIZE])
{
	return hex_decode(slice_str(text), ret_name, WRAP_NAME_SIZE);
}

static int read_storage_key(const struct json_t *object, struct device_file *file, struct err *err)
{
	static const char *const MEMBERS[] = {"public", "name"};
	const struct json_t *key = json_object_get(object, "storage_key");
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	const char *name = NULL;

	if (!json_is_object(key) || json_only(key, MEMBERS, ARRAY_LEN(MEMBERS), err) < 0 ||
	    json_get_bytes(key, "public", true, &area, err) < 0 ||
	    json_get_string(key, "name", true, &name, err) < 0 ||
	    wrap_public_read(buf_slice(&area), &public, err) < 0 || !read_name(name, file->name) ||
	    !slice_equal(wrap_public_name(public), slice_of(file->name, WRAP_NAME_SIZE)))
		return not_one(err);
	return 0;
}

static int read_protection(const struct json_t *object, struct device_file *file, struct err *err)
{
	const char *text = "";

	if (json_get_string(object, "protection", true, &text, err) < 0)
		return not_one(err);
	file->in_tpm = strcmp(text, "tpm") == 0;
	return file->in_tpm || strcmp(text, "software") == 0 ? 0 : not_one(err);
}

static int read_ek(const struct json_t *object, struct device_file *file, struct err *err)
{
	const json_t *ek = json_object_get(object, "ek_name");

	if (json_is_null(ek))
		return 0;
	file->has_ek = json_is_string(ek) && read_name(json_string_value(ek), file->ek_name);
	return file->has_ek ? 0 : not_one(err);
}

static int read_refused(const struct json_t *object, struct device_file *file, struct err *err)
{
	const json_t *refused = json_object_get(object, "refused");

	file->refused = json_is_true(refused);
	return !refused || json_is_boolean(refused) ? 0 : not_one(err);
}

int device_file_parse(struct slice json, const uint8_t name[WRAP_NAME_SIZE],
		      struct device_file *ret_file, struct err *err)
{
	static const char *const MEMBERS[] = {"storage_key", "protection", "ek_name", "enrolled",
					      "refused"};
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	struct device_file file = {.has_ek = false};
	int r;

	if (json_parse(json, &object, err) < 0 ||
	    json_only(object, MEMBERS, ARRAY_LEN(MEMBERS), err) < 0 ||
	    json_get_u64(object, "enrolled", true, 0, INT64_MAX, &file.enrolled, err) < 0)
		return not_one(err);
	r = read_storage_key(object, &file, err);
	if (r == 0)
		r = read_protection(object, &file, err);
	if (r == 0)
		r = read_ek(object, &file, err);
	if (r == 0)
		r = read_refused(object, &file, err);
	if (r < 0)
		return r;
	if (!device_names_equal(file.name, name))
		return not_one(err);
	*ret_file = file;
	return 0;
}

int device_file_put(const struct device_file *file, struct slice area, struct buf *ret_json,
		    struct err *err)
{
	buf_put_str(ret_json, "{\"storage_key\":{\"public\":\"");
	base64_encode(ret_json, area);
	buf_put_str(ret_json, "\",\"name\":\"");
	hex_encode(ret_json, slice_of(file->name, WRAP_NAME_SIZE));
	buf_printf(ret_json,
		   "\"},\"protection\":\"%s\",\"ek_name\":", file->in_tpm ? "tpm" : "software");
	if (file->has_ek) {
		buf_put_u8(ret_json, '"');
		hex_encode(ret_json, slice_of(file->ek_name, WRAP_NAME_SIZE));
		buf_put_u8(ret_json, '"');
	} else {
		buf_put_str(ret_json, "null");
	}
	buf_printf(ret_json, ",\"enrolled\":%" PRIu64 "}\n", file->enrolled);
	return buf_ok(ret_json) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* --- on the disk --- */

static int file_name(const uint8_t name[WRAP_NAME_SIZE], char ret_file[FILE_NAME], struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FILE_NAME);

	hex_encode(&text, slice_of(name, WRAP_NAME_SIZE));
	buf_put_str(&text, SUFFIX);
	buf_put_u8(&text, '\0');
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	memcpy(ret_file, text.data, text.len);
	return 0;
}

int device_file_read(int root, const uint8_t name[WRAP_NAME_SIZE], struct device_file *ret_file,
		     struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(DEVICE_FILE_MAX);
	char file[FILE_NAME];
	int r = file_name(name, file, err);

	if (r == 0)
		r = folder_read(root, FOLDER_DEVICES, file, &json, err);
	if (r == ERR_TOO_LARGE)
		return not_one(err);
	return r < 0 ? r : device_file_parse(buf_slice(&json), name, ret_file, err);
}

int device_file_add(int root, const struct device_file *file, struct slice area, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(DEVICE_FILE_MAX);
	char name[FILE_NAME];
	int r = file_name(file->name, name, err);

	if (r == 0)
		r = device_file_put(file, area, &json, err);
	if (r == 0)
		r = folder_count(root, FOLDER_DEVICES, DEVICE_FILES_MAX - 1, err);
	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_QUOTA, "there are %u devices", DEVICE_FILES_MAX);
	return r < 0 ? r : folder_add(root, FOLDER_DEVICES, name, buf_slice(&json), err);
}
