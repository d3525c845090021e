/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an object lies: in the user's store, else in the system's, as FAPI looks. Its parent is
 * the SRK of the same profile, whose record tells handle and Name.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fapi/impl.h"

#define RECORD		   "object.json"
#define SRK_FOLDER	   "/HS/SRK/"
#define SRK_HANDLE_DEFAULT UINT32_C(0x81000001)

bool fapi_path_ok(const char *path)
{
	static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	const char *name;

	if (strnlen(path, FAPI_PATH_MAX + 1) > FAPI_PATH_MAX ||
	    strncmp(path, SRK_FOLDER, strlen(SRK_FOLDER)) != 0)
		return false;
	name = path + strlen(SRK_FOLDER);
	/* In the folder of the SRK this is a file, and FAPI's. */
	if (strcmp(name, RECORD) == 0)
		return false;
	return name[strspn(name, ".")] != '\0' && name[strspn(name, LETTERS)] == '\0';
}

#define DEPTH 4 /* PROFILE/HS/SRK/NAME */

/* One folder after the other, since none of them may be a link. */
static int read_record(const char *store, const char *const names[DEPTH], struct buf *ret_text,
		       struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	int next = -1;
	size_t i;
	int r = file_open_dir(AT_FDCWD, store, false, 0, &fd, err);

	for (i = 0; i < DEPTH && names[i] && r == 0; i++) {
		r = file_open_dir(fd, names[i], false, 0, &next, err);
		if (r == 0) {
			close(fd);
			fd = next;
		}
	}
	if (r == 0)
		r = file_read(fd, RECORD, ret_text, err);
	return r == ERR_TOO_LARGE ? err_set(err, ERR_DAMAGED, "a FAPI object is too large") : r;
}

/* As FAPI looks: the user's store hides what the system's has under the same path. */
static int find_record(const struct fapi_config *config, const char *name,
		       struct fapi_record *ret_record, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FAPI_OBJECT_JSON_MAX);
	const char *const names[DEPTH] = {config->profile_name, "HS", "SRK", name};
	int r = read_record(config->user_dir, names, &text, err);

	if (r == ERR_NOT_FOUND)
		r = read_record(config->system_dir, names, &text, err);
	return r < 0 ? r : fapi_object_parse(buf_slice(&text), ret_record, err);
}

static int read_parent(const struct fapi_config *config, struct fapi_object *object,
		       struct err *err)
{
	struct fapi_record record;
	int r = find_record(config, NULL, &record, err);

	if (r == ERR_NOT_FOUND)
		return err_set(err, ERR_DAMAGED, "the FAPI store has no record of its SRK");
	if (r < 0)
		return err_wrap(err, "the record of the SRK");
	if (!record.storage)
		return err_set(err, ERR_DAMAGED, "the FAPI store's SRK is no storage key");
	/* FAPI writes no handle where it found the SRK that others had made. */
	object->parent_handle =
		record.persistent_handle != 0 ? record.persistent_handle : SRK_HANDLE_DEFAULT;
	memcpy(object->parent_name, record.name, record.name_len);
	object->parent_name_len = record.name_len;
	return 0;
}

static int read_object(const struct fapi_config *config, const char *path,
		       struct fapi_object *object, struct err *err)
{
	struct fapi_record record;
	int r = find_record(config, path + strlen(SRK_FOLDER), &record, err);

	if (r == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no such FAPI object");
	if (r < 0)
		return r;
	if (record.private_len == 0)
		return err_set(err, ERR_DAMAGED, "a FAPI object has no private part");
	memcpy(object->public_part, record.public_part, record.public_len);
	object->public_len = record.public_len;
	memcpy(object->private_part, record.private_part, record.private_len);
	object->private_len = record.private_len;
	object->sealed = record.sealed;
	object->with_auth = record.with_auth;
	object->with_policy = record.with_policy;
	return 0;
}

int fapi_object_read(const struct fapi_place *place, const char *path,
		     struct fapi_object *ret_object, struct err *err)
{
	CLEANUP(fapi_config_fini) struct fapi_config config = {.json = NULL};
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct fapi_object object = {.parent_handle = 0};
	int r;

	if (!fapi_path_ok(path))
		return err_set(err, ERR_INVALID, "the path is not /HS/SRK/NAME");
	r = file_open_dir(AT_FDCWD, place->folder, false, 0, &folder, err);
	if (r == 0)
		r = fapi_config_read(folder, &config, err);
	if (r == 0)
		r = read_object(&config, path, &object, err);
	if (r == 0)
		r = read_parent(&config, &object, err);
	if (r < 0)
		return r;
	*ret_object = object;
	return 0;
}
