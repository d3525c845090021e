/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/stick.h"

#include <fcntl.h>

#include "base/file.h"
#include "loader/blob.h"

static int open_folder(const char *import_dir, const struct resource *resource, int *ret_fd,
		       struct err *err)
{
	CLEANUP(fd_close_cleanup) int root = -1;
	char folder[RESOURCE_FOLDER_MAX + 1] = "";
	int r = resource_check_artifact(resource, err);

	if (r < 0)
		return r;
	if (!import_dir)
		return err_set(err, ERR_NOT_FOUND, "there is no folder to import from");
	memcpy(folder, resource->folder.data, resource->folder.len);
	r = file_open_dir(AT_FDCWD, import_dir, false, 0, &root, err);
	return r < 0 ? r : file_open_dir(root, folder, false, 0, ret_fd, err);
}

int stick_manifest(const char *import_dir, const struct resource *resource, struct buf *ret_whole,
		   struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	char file[RESOURCE_FILE_MAX + 1];
	int r = open_folder(import_dir, resource, &folder, err);

	if (r == 0)
		r = resource_file(resource->name, RESOURCE_MANIFEST, file, err);
	return r < 0 ? r : file_read(folder, file, ret_whole, err);
}

static int read_keys(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		     struct err *err)
{
	const int *fd = arg;

	return blob_read(*fd, at, ret_bytes, len, ret_len, err);
}

int stick_key(const char *import_dir, const struct stick_wish *wish, struct buf *ret_line,
	      struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1, fd = -1;
	const struct resource resource = manifest_resource(wish->manifest);
	struct device_keys keys = {.read = read_keys, .arg = &fd};
	char hex[MANIFEST_DIGEST_HEX], file[RESOURCE_FILE_MAX + 1];
	int r = open_folder(import_dir, &resource, &folder, err);

	manifest_hex(wish->manifest->digest, hex);
	if (r == 0)
		r = resource_file(slice_str(hex), RESOURCE_KEYS, file, err);
	if (r == 0)
		r = file_open(folder, file, &fd, &keys.size, err);
	return r < 0 ? r : device_keys_find(&keys, wish->storage_key, ret_line, err);
}
