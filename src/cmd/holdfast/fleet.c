/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/fleet.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/io.h"

static const char REMEDY_UNFIT[] = "Leave that device out, or publish with --protection software.";
static const char REMEDY_REVOKED[] = "Leave that device out.";
static const char REMEDY_FILE[] = "Write it anew on the device: holdfast device storage-key "
				  "--format json --out FILE.";

/* --- one file --- */

static int read_protection(const struct json_t *object, enum manifest_protection *ret_says,
			   struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(object, "protection", true, &text, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < MANIFEST_PROTECTIONS; i++)
		if (strcmp(text, manifest_protection_name((enum manifest_protection)i)) == 0) {
			*ret_says = (enum manifest_protection)i;
			return 0;
		}
	return err_set(err, ERR_NOT_SUPPORTED, "/protection: neither tpm nor software");
}

static int check_name(const struct wrap_public *storage, const char *name, struct err *err)
{
	char hex[WRAP_NAME_HEX];

	wrap_public_hex(storage, hex);
	if (strcmp(hex, name) == 0)
		return 0;
	return err_set(err, ERR_DAMAGED, "its name is that of another key");
}

/* @key has the members "public" and "name". */
static int read_key(const struct json_t *key, struct wrap_public **ret_storage, struct err *err)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	const char *name = NULL;
	int r = json_get_bytes(key, "public", true, &area, err);

	if (r == 0)
		r = json_get_string(key, "name", true, &name, err);
	if (r == 0)
		r = wrap_public_read(buf_slice(&area), &storage, err);
	if (r == 0)
		r = check_name(storage, name, err);
	if (r == 0)
		*ret_storage = TAKE(storage);
	return r;
}

int fleet_read(struct slice json, struct wrap_public **ret_storage,
	       enum manifest_protection *ret_says, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	enum manifest_protection says = MANIFEST_SOFTWARE;
	const struct json_t *inner;
	int r = json_parse(json, &object, err);

	if (r == 0)
		r = read_protection(object, &says, err);
	if (r < 0)
		return r;
	inner = json_object_get(object, "storage_key");
	r = read_key(inner ? inner : object, ret_storage, err);
	if (r == 0)
		*ret_says = says;
	return r;
}

bool fleet_is_refused(struct slice json)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const json_t *refused;
	struct err ignored;

	if (json_parse(json, &object, &ignored) < 0)
		return false;
	refused = json_object_get(object, "refused");
	return refused && !json_is_false(refused);
}

/* --- all of them --- */

void fleet_fini(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++)
		free(fleet->devices[i].area);
	free(fleet->devices);
}

static int make_room(struct fleet *fleet, struct err *err)
{
	size_t room = fleet->room > 0 ? 2 * fleet->room : 16;
	struct fleet_device *devices;

	if (fleet->count < fleet->room)
		return 0;
	if (fleet->count >= FLEET_MAX)
		return err_set(err, ERR_TOO_LARGE, "these are over %u devices", FLEET_MAX);
	devices = calloc(room, sizeof(*devices));
	if (!devices)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (fleet->count > 0)
		memcpy(devices, fleet->devices, fleet->count * sizeof(*devices));
	free(fleet->devices);
	fleet->devices = devices;
	fleet->room = room;
	return 0;
}

static int put(struct fleet *fleet, const struct wrap_public *storage, bool is_named,
	       struct err *err)
{
	struct slice area = wrap_public_area(storage);
	struct fleet_device device = {.len = area.len, .is_named = is_named};
	int r = make_room(fleet, err);

	if (r < 0)
		return r;
	device.area = malloc(area.len);
	if (!device.area)
		return err_set(err, ERR_INTERNAL, "memory is short");
	memcpy(device.area, area.data, area.len);
	memcpy(device.name, wrap_public_name(storage).data, WRAP_NAME_SIZE);
	fleet->devices[fleet->count++] = device;
	return 0;
}

int fleet_add(struct fleet *fleet, const struct fleet_file *file, struct err *err)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	enum manifest_protection says = MANIFEST_SOFTWARE;
	const char *unfit = NULL;
	int r = fleet_read(file->json, &storage, &says, err);

	if (r < 0)
		return r;
	if (fleet_is_refused(file->json) && file->of_folder) {
		fleet->left_out++;
		return 0;
	}
	if (fleet_is_refused(file->json)) {
		(void)err_set(err, ERR_INVALID, "the device was revoked");
		return err_add_remedy(err, REMEDY_REVOKED);
	}
	if (fleet->protection == MANIFEST_TPM)
		unfit = wrap_public_unfit(storage);
	if (!unfit)
		return put(fleet, storage, !file->of_folder, err);
	if (file->of_folder && says == MANIFEST_SOFTWARE) {
		fleet->left_out++;
		return 0;
	}
	(void)err_set(err, ERR_INVALID, "the storage key is unfit for protection tpm: %s", unfit);
	return err_add_remedy(err, REMEDY_UNFIT);
}

static int add_named(struct fleet *fleet, const struct fleet_file *file, const char *name,
		     struct err *err)
{
	int r = fleet_add(fleet, file, err);

	if (r < 0 && !err->remedy)
		(void)err_add_remedy(err, REMEDY_FILE);
	return r < 0 ? err_wrap(err, "%s", name) : 0;
}

int fleet_add_file(struct fleet *fleet, const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(FLEET_FILE_MAX);
	int r = io_read(path, &json, err);

	if (r < 0)
		return err_wrap(err, "--device");
	return add_named(fleet, &(struct fleet_file){buf_slice(&json), false}, path, err);
}

struct folder {
	struct fleet *fleet;
	int dir;
	struct buf json; /* of one file after the other */
	struct err *err;
};

static void folder_fini(struct folder *folder)
{
	fd_close_cleanup(&folder->dir);
	buf_fini(&folder->json);
}

static int take_file(void *arg, const char *name)
{
	struct folder *folder = arg;
	size_t len = strlen(name), end = strlen(".json");
	int r;

	if (len <= end || strcmp(name + len - end, ".json") != 0)
		return 0;
	buf_reset(&folder->json);
	r = file_read(folder->dir, name, &folder->json, folder->err);
	if (r < 0)
		return r;
	return add_named(folder->fleet, &(struct fleet_file){buf_slice(&folder->json), true}, name,
			 folder->err);
}

int fleet_add_folder(struct fleet *fleet, const char *path, struct err *err)
{
	CLEANUP(folder_fini)
	struct folder folder = {
		.fleet = fleet, .dir = -1, .json = BUF_INIT(FLEET_FILE_MAX), .err = err};
	int r = file_open_dir(AT_FDCWD, path, false, 0, &folder.dir, err);

	if (r == 0)
		r = file_list(folder.dir, take_file, &folder, err);
	return r < 0 ? err_wrap(err, "--devices") : 0;
}

int fleet_order(const uint8_t one[WRAP_NAME_SIZE], const uint8_t other[WRAP_NAME_SIZE])
{
	int order = 0;

	for (size_t i = 0; order == 0 && i < WRAP_NAME_SIZE; i++)
		order = one[i] - other[i];
	return order;
}

static int by_name(const void *a, const void *b)
{
	const struct fleet_device *one = a, *other = b;

	return fleet_order(one->name, other->name);
}

void fleet_sort(struct fleet *fleet)
{
	size_t kept = 0;

	if (fleet->count > 0)
		qsort(fleet->devices, fleet->count, sizeof(fleet->devices[0]), by_name);
	for (size_t i = 0; i < fleet->count; i++) {
		struct fleet_device *device = &fleet->devices[i];

		if (kept > 0 && by_name(&fleet->devices[kept - 1], device) == 0) {
			fleet->devices[kept - 1].is_named |= device->is_named;
			free(device->area);
		} else {
			fleet->devices[kept++] = *device;
		}
	}
	fleet->count = kept;
}
