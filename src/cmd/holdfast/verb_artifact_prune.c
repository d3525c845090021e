/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes payloads and device keys that no manifest of their folder names: what is left of earlier
 * releases, and of publishers that were killed. Devices may still be reading what was replaced, so
 * that has a day, from when it was: publishing sets its time. When one manifest cannot be read
 * nothing is removed: it may name any of them.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/release.h"
#include "cmd/holdfast/verb.h"

#define GRACE_S	  86400
#define FOUND_MAX 65536u /* of each list */
#define NAME_ROOM (RESOURCE_FILE_MAX + 1u)
#define SUFFIXES  2u

static const char *const SUFFIX[SUFFIXES] = {".payload", ".keys"};
static const char REMEDY_MANIFEST[] = "Put the right one back, or remove it.";

struct prune {
	struct release release;
	bool now;
	struct buf named, found; /* names, NAME_ROOM bytes each */
	size_t removed, kept;
	uint64_t bytes;
	struct err *err;
};

static void prune_fini(struct prune *prune)
{
	release_fini(&prune->release);
	buf_fini(&prune->named);
	buf_fini(&prune->found);
}

static int names_add(struct buf *names, const char *name, struct err *err)
{
	char record[NAME_ROOM] = "";

	(void)snprintf(record, sizeof(record), "%s", name);
	buf_put(names, slice_of(record, sizeof(record)));
	return buf_ok(names) ? 0 : err_set(err, ERR_TOO_LARGE, "over %u files in it", FOUND_MAX);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end && strcmp(name + len - end, suffix) == 0;
}

/* --- what is there --- */

static int take_named(struct prune *prune, const char *file)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	char name[NAME_ROOM];
	int r = file_read(prune->release.dir, file, &whole, prune->err);

	if (r == 0)
		r = release_peek(buf_slice(&whole), &manifest, prune->err);
	if (r < 0) {
		(void)err_add_remedy(prune->err, REMEDY_MANIFEST);
		return err_wrap(prune->err, "%s", file);
	}
	r = release_payload_file(manifest, name, prune->err);
	if (r == 0)
		r = names_add(&prune->named, name, prune->err);
	if (r == 0)
		r = release_keys_file(manifest, name, prune->err);
	return r < 0 ? r : names_add(&prune->named, name, prune->err);
}

/* 64 digits of a digest, and what they are the name of. */
static bool is_part(const char *name)
{
	size_t digits = strspn(name, "0123456789abcdef");

	for (unsigned i = 0; i < SUFFIXES; i++)
		if (digits == 2 * MANIFEST_DIGEST && strcmp(name + digits, SUFFIX[i]) == 0)
			return true;
	return false;
}

static int take_file(void *arg, const char *name)
{
	struct prune *prune = arg;

	if (is_part(name))
		return names_add(&prune->found, name, prune->err);
	return ends_with(name, ".manifest") ? take_named(prune, name) : 0;
}

/* --- what goes --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int remove_one(struct prune *prune, const char *name, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(prune->release.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!prune->now && st.st_mtim.tv_sec > time(NULL) - GRACE_S) {
		prune->kept++;
		return 0;
	}
	r = file_remove(prune->release.dir, name, err);
	if (r == 0) {
		prune->removed++;
		prune->bytes += (uint64_t)st.st_size;
	}
	return r;
}

static int remove_unnamed(struct prune *prune, struct err *err)
{
	const struct buf *named = &prune->named;
	size_t count = named->len / NAME_ROOM;
	int r = 0;

	if (count > 0)
		qsort(named->data, count, NAME_ROOM, by_name);
	for (size_t at = 0; r == 0 && at < prune->found.len; at += NAME_ROOM) {
		const char *name = (const char *)prune->found.data + at;

		if (count == 0 || !bsearch(name, named->data, count, NAME_ROOM, by_name))
			r = remove_one(prune, name, err);
	}
	return r;
}

static int prune_all(struct prune *prune, struct err *err)
{
	size_t left_behind;
	int r = release_open(&prune->release, RELEASE_CHANGE, err);

	prune->err = err;
	if (r == 0 && prune->release.name)
		r = release_read(&prune->release, NULL, err);
	if (r == 0)
		r = file_list(prune->release.dir, take_file, prune, err);
	if (r == 0)
		r = remove_unnamed(prune, err);
	/* Of writers that were killed; those of other formats do not lock the folder. */
	if (r == 0 && prune->now)
		r = file_sweep(prune->release.dir, &left_behind, err);
	return r;
}

static int tell(const struct cli *cli, const struct prune *prune)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);

	if (cli->json)
		return cli_print_object(
			cli, json_pack("{s:s, s:I, s:I, s:I}", "folder", prune->release.folder,
				       "removed", (json_int_t)prune->removed, "bytes",
				       (json_int_t)prune->bytes, "kept", (json_int_t)prune->kept));
	buf_printf(&out, "%s: removed %zu files of %zu MiB", prune->release.folder, prune->removed,
		   (size_t)(prune->bytes >> 20));
	if (prune->kept > 0)
		buf_printf(&out, ", kept %zu that are younger than a day", prune->kept);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int verb_artifact_prune(struct cli *cli, struct opt_words words)
{
	CLEANUP(prune_fini)
	struct prune prune = {
		.release = RELEASE_INIT,
		.named = BUF_INIT(FOUND_MAX * NAME_ROOM),
		.found = BUF_INIT(FOUND_MAX * NAME_ROOM),
	};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "an artifact that must be in the folder; default: none has to be",
		 .text = &prune.release.name},
		RELEASE_OPT_FOLDER(prune.release),
		RELEASE_OPT_ORIGIN(prune.release),
		{.kind = OPT_FLAG,
		 .name = "now",
		 .help = "also what is younger than a day, which devices may be reading",
		 .flag = &prune.now},
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (release_check(&prune.release, &err) < 0)
		return cli_usage(cli, &err);
	return prune_all(&prune, &err) < 0 ? cli_fail(cli, &err) : tell(cli, &prune);
}
