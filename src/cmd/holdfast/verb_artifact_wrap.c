/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More devices for a release that is out: its file of device keys is replaced as a whole. That the
 * content key is of the manifest which lies there says the file that it is kept in, so a server
 * cannot have it wrapped for anything else.
 */
#include <inttypes.h>
#include <jansson.h>

#include "artifact/content_key.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/fleet.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/key_lines.h"
#include "cmd/holdfast/release.h"
#include "cmd/holdfast/verb.h"

static const char REMEDY_RELEASE[] =
	"Give the content key of this very release, or publish it anew; see artifact inspect.";
static const char REMEDY_KEYS[] =
	"Remove that file and wrap again for all devices: nothing of it is needed.";

struct wrap {
	struct release release;
	const char *content_key, *devices, *anchors;
	struct opt_list device;
	struct fleet fleet;
	struct secret *key;
	struct key_lines lines;
	struct key_merge merge;
	struct file_draft *draft;
};
#define WRAP_INIT                                                                                  \
	{                                                                                          \
		.release = RELEASE_INIT, .lines = KEY_LINES_INIT                                   \
	}

static void wrap_fini(struct wrap *wrap)
{
	release_fini(&wrap->release);
	fleet_fini(&wrap->fleet);
	secret_free(wrap->key);
	key_lines_fini(&wrap->lines);
	file_draft_free(wrap->draft);
}

static int read_content_key(struct wrap *wrap, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *json = NULL;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(CONTENT_KEY_MAX);
	int r = io_read(wrap->content_key, &bytes, err);

	if (r == 0)
		r = secret_copy(buf_slice(&bytes), &json, err);
	if (r == 0)
		r = content_key_read(json, wrap->release.manifest, &wrap->key, err);
	if (r == ERR_WRONG_NAME)
		(void)err_add_remedy(err, REMEDY_RELEASE);
	return r < 0 ? err_wrap(err, "--content-key") : 0;
}

static int read_devices(struct wrap *wrap, struct err *err)
{
	int r = 0;

	wrap->fleet.protection = wrap->release.manifest->protection;
	for (size_t i = 0; r == 0 && i < wrap->device.count; i++)
		r = fleet_add_file(&wrap->fleet, wrap->device.items[i], err);
	if (r == 0 && wrap->devices)
		r = fleet_add_folder(&wrap->fleet, wrap->devices, err);
	fleet_sort(&wrap->fleet);
	return r;
}

static int merge(struct wrap *wrap, struct err *err)
{
	const struct manifest *manifest = wrap->release.manifest;
	char file[RESOURCE_FILE_MAX + 1];
	int r = release_keys_file(manifest, file, err);

	wrap->merge = (struct key_merge){
		.fleet = &wrap->fleet, .key = wrap->key, .manifest = manifest->digest};
	if (r == 0)
		r = key_lines_open(&wrap->lines, wrap->release.dir, file, manifest->digest, err);
	if (r == 0)
		wrap->merge.lines = &wrap->lines;
	if (r == 0 || r == ERR_NOT_FOUND)
		r = file_draft_new(wrap->release.dir, file, RELEASE_KEYS_MODE, &wrap->draft, err);
	if (r == 0)
		r = key_merge(&wrap->merge, wrap->draft, err);
	if (r == ERR_DAMAGED) {
		(void)err_add_remedy(err, REMEDY_KEYS);
		return err_wrap(err, "%s", file);
	}
	return r < 0 ? r : file_draft_publish(wrap->draft, FILE_REPLACE, err);
}

static int wrap_all(struct wrap *wrap, struct err *err)
{
	int r = release_open(&wrap->release, RELEASE_CHANGE, err);

	if (r == 0)
		r = release_read(&wrap->release, wrap->anchors, err);
	if (r == 0)
		r = read_content_key(wrap, err);
	if (r == 0)
		r = read_devices(wrap, err);
	return r < 0 ? r : merge(wrap, err);
}

static int tell(const struct cli *cli, const struct wrap *wrap)
{
	const struct manifest *manifest = wrap->release.manifest;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(2048);

	if (cli->json)
		return cli_print_object(
			cli,
			json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "folder", manifest->folder,
				  "name", manifest->name, "serial", (json_int_t)manifest->serial,
				  "added", (json_int_t)wrap->merge.added, "devices",
				  (json_int_t)wrap->merge.kept + (json_int_t)wrap->merge.added,
				  "left_out", (json_int_t)wrap->fleet.left_out));
	buf_printf(&out, "%s/%s: serial %" PRIu64 ", device keys: %zu, of them new: %zu",
		   manifest->folder, manifest->name, manifest->serial,
		   wrap->merge.kept + wrap->merge.added, wrap->merge.added);
	if (wrap->fleet.left_out > 0)
		buf_printf(&out, ", revoked or without a TPM, left out: %zu", wrap->fleet.left_out);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int verb_artifact_wrap(struct cli *cli, struct opt_words words)
{
	CLEANUP(wrap_fini) struct wrap wrap = WRAP_INIT;
	const struct opt opts[] = {
		RELEASE_OPT_NAME(wrap.release),
		RELEASE_OPT_FOLDER(wrap.release),
		RELEASE_OPT_ORIGIN(wrap.release),
		{.kind = OPT_TEXT,
		 .name = "content-key",
		 .value = "FILE",
		 .help = "the release's key, as artifact publish kept it",
		 .required = true,
		 .text = &wrap.content_key},
		RELEASE_OPTS_DEVICES("", wrap.device, wrap.devices),
		RELEASE_OPT_ANCHORS("PEM of those who must have signed the manifest", wrap.anchors),
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	r = release_check(&wrap.release, &err);
	if (r == 0 && wrap.device.count == 0 && !wrap.devices)
		r = err_set(&err, ERR_INVALID, "--device or --devices is missing");
	if (r < 0)
		return cli_usage(cli, &err);
	return wrap_all(&wrap, &err) < 0 ? cli_fail(cli, &err) : tell(cli, &wrap);
}
