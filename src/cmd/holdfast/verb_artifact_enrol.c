/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets a device in at an origin, by its storage key: whoever runs this vouches that it is the
 * device's own. What lies there of a device already says more, and stays. Or keeps it out, from
 * then on, whatever its TPM's maker says.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/fleet.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/release.h"
#include "cmd/holdfast/verb.h"

static const char REMEDY_LIES[] =
	"Have the device write it anew; if it still says so, do not trust that device.";

static const char REMEDY_REVOKED[] = "Remove its file in devices first, if it is to come back.";
static const char REMEDY_NOT_THERE[] =
	"Give the file that device storage-key --format json wrote on the device instead.";

struct enrol {
	const char *origin, *device, *revoke;
	struct wrap_public *storage;
	enum manifest_protection protection;
	char hex[WRAP_NAME_HEX];
	bool was_there;
};

static void enrol_fini(struct enrol *enrol)
{
	wrap_public_free(enrol->storage);
}

static int check_claim(const struct enrol *enrol, struct err *err)
{
	const char *unfit = wrap_public_unfit(enrol->storage);

	if ((enrol->protection == MANIFEST_TPM) == !unfit)
		return 0;
	(void)err_set(err, ERR_INVALID, "--device: it says %s, and its storage key %s",
		      manifest_protection_name(enrol->protection), unfit ? unfit : "is a TPM's");
	return err_add_remedy(err, REMEDY_LIES);
}

static int read_key(struct enrol *enrol, const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(FLEET_FILE_MAX);
	int r = io_read(path, &json, err);

	if (r == 0)
		r = fleet_read(buf_slice(&json), &enrol->storage, &enrol->protection, err);
	if (r == 0)
		wrap_public_hex(enrol->storage, enrol->hex);
	return r;
}

static bool is_name(const char *text)
{
	uint8_t name[WRAP_NAME_SIZE];

	return strlen(text) == WRAP_NAME_HEX - 1 && hex_decode(slice_str(text), name, sizeof(name));
}

/* By a Name it is who lies there. */
static int read_revoked(struct enrol *enrol, struct err *err)
{
	char path[PATH_MAX];
	int r, len;

	if (!is_name(enrol->revoke))
		return read_key(enrol, enrol->revoke, err);
	len = snprintf(path, sizeof(path), "%s/" RELEASE_DEVICES "/%s.json", enrol->origin,
		       enrol->revoke);
	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(err, ERR_INVALID, "the path is too long");
	r = read_key(enrol, path, err);
	if (r == ERR_NOT_FOUND || r == ERR_UNREADABLE)
		return err_add_remedy(err, REMEDY_NOT_THERE);
	if (r == 0 && strcmp(enrol->hex, enrol->revoke) != 0)
		return err_set(err, ERR_DAMAGED, "the file of that Name is of another");
	return r;
}

/* What it says of itself is held against the attributes of its key; who goes may have lied. */
static int read_device(struct enrol *enrol, struct err *err)
{
	if (enrol->revoke)
		return read_revoked(enrol, err) < 0 ? err_wrap(err, "--revoke") : 0;
	return read_key(enrol, enrol->device, err) < 0 ? err_wrap(err, "--device")
						       : check_claim(enrol, err);
}

static void put_file(const struct enrol *enrol, struct buf *json)
{
	buf_put_str(json, "{\"storage_key\":{\"public\":\"");
	base64_encode(json, wrap_public_area(enrol->storage));
	buf_printf(
		json,
		"\",\"name\":\"%s\"},\"protection\":\"%s\",\"ek_name\":null,\"enrolled\":%" PRIi64
		"%s}\n",
		enrol->hex, manifest_protection_name(enrol->protection), (int64_t)time(NULL),
		enrol->revoke ? ",\"refused\":true" : "");
}

static int check_lies(int dir, const char *file, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(FLEET_FILE_MAX);
	int r = file_read(dir, file, &json, err);

	if (r < 0 || !fleet_is_refused(buf_slice(&json)))
		return r;
	(void)err_set(err, ERR_CONFLICT, "the device was revoked");
	return err_add_remedy(err, REMEDY_REVOKED);
}

static int write_file(struct enrol *enrol, struct err *err)
{
	CLEANUP(fd_close_cleanup) int root = -1, dir = -1;
	CLEANUP(buf_fini) struct buf json = BUF_INIT(FLEET_FILE_MAX);
	char file[WRAP_NAME_HEX + sizeof(".json")];
	int r = file_open_dir(AT_FDCWD, enrol->origin, false, 0, &root, err);

	if (r < 0)
		return err_wrap(err, "--origin");
	(void)snprintf(file, sizeof(file), "%s.json", enrol->hex);
	put_file(enrol, &json);
	if (!buf_ok(&json))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = file_make_dir(root, RELEASE_DEVICES, RELEASE_FOLDER_MODE, &dir, err);
	if (r == 0)
		r = file_write(dir, file, buf_slice(&json), RELEASE_FILE_MODE,
			       enrol->revoke ? FILE_REPLACE : FILE_CREATE, err);
	enrol->was_there = r == ERR_CONFLICT;
	return enrol->was_there ? check_lies(dir, file, err) : r;
}

static int tell(const struct cli *cli, const struct enrol *enrol)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);

	if (cli->json)
		return cli_print_object(
			cli, json_pack("{s:s, s:s, s:b}", "storage_key", enrol->hex, "protection",
				       manifest_protection_name(enrol->protection),
				       enrol->revoke ? "revoked" : "enrolled", !enrol->was_there));
	buf_printf(&out, "%s: %s, protection %s\n", enrol->hex,
		   enrol->revoke      ? "revoked"
		   : enrol->was_there ? "was enrolled already"
				      : "enrolled",
		   manifest_protection_name(enrol->protection));
	return cli_print(cli, &out);
}

int verb_artifact_enrol(struct cli *cli, struct opt_words words)
{
	CLEANUP(enrol_fini) struct enrol enrol = {.protection = MANIFEST_SOFTWARE};
	const struct opt opts[] = {
		RELEASE_OPT_ORIGIN(enrol),
		{.kind = OPT_TEXT,
		 .name = "device",
		 .value = "FILE",
		 .help = "what device storage-key --format json printed on the device",
		 .text = &enrol.device},
		{.kind = OPT_TEXT,
		 .name = "revoke",
		 .value = "NAME|FILE",
		 .help = "keep this one out instead: its Name in hex, or such a file",
		 .text = &enrol.revoke},
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	r = !enrol.device == !enrol.revoke
		    ? err_set(&err, ERR_INVALID, "give one of --device and --revoke")
		    : read_device(&enrol, &err);
	if (r == 0)
		r = write_file(&enrol, &err);
	return r < 0 ? cli_fail(cli, &err) : tell(cli, &enrol);
}
