/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing a resource of version 1 into an origin's folder. All parts are whole, in files without
 * a name, before the first of them takes its place: big, signature, small. Readers ask for the
 * small part, so they see a release when all of it is there; one who comes between two names finds
 * parts of two releases, which is refused as damage where it is signed, and where it was pinned.
 */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/publish.h"
#include "origin/folder.h"

#define BIG_ROOM (256u * 1024u)

struct publish {
	struct publish_words *words;
	struct v1_release release;
	struct v1_split *split;
	struct buf small, big; /* what is not written yet */
	struct file_draft *drafts[RESOURCE_V1_PARTS];
	char files[RESOURCE_V1_PARTS][RESOURCE_FILE_MAX + 1];
	int root;
};
#define PUBLISH_INIT                                                                               \
	{                                                                                          \
		.small = BUF_INIT(V1_CUT_MAX), .big = BUF_INIT(BIG_ROOM), .root = -1               \
	}

static void publish_fini(struct publish *publish)
{
	v1_split_free(publish->split);
	buf_fini(&publish->small);
	buf_fini(&publish->big);
	for (unsigned i = 0; i < RESOURCE_V1_PARTS; i++)
		file_draft_free(publish->drafts[i]);
	fd_close_cleanup(&publish->root);
}

static int write_big(struct publish *publish, struct err *err)
{
	int r = file_draft_write(publish->drafts[RESOURCE_BIG], buf_slice(&publish->big), err);

	buf_reset(&publish->big);
	return r;
}

static int take(void *arg, struct slice blob, struct err *err)
{
	struct publish *publish = arg;
	const struct v1_parts parts = {&publish->small, &publish->big};
	int r = v1_split_add(publish->split, blob, &parts, err);

	return r < 0 ? r : write_big(publish, err);
}

static int end_split(struct publish *publish, struct err *err)
{
	const struct v1_parts parts = {&publish->small, &publish->big};
	int r = v1_split_end(publish->split, &parts, &publish->release.seen, err);

	return r < 0 ? r : write_big(publish, err);
}

static int seal(struct publish *publish, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX);
	struct artifact_seal wish = {.in = publish->words->in, .take = take, .arg = publish};
	int r = artifact_fleet_key(publish->words->salts, &key, err);

	if (r == 0)
		r = v1_split_new(&publish->split, err);
	wish.key = key;
	if (r == 0)
		r = artifact_seal(&wish, err);
	if (r == 0)
		r = end_split(publish, err);
	if (r == 0)
		r = file_draft_write(publish->drafts[RESOURCE_SMALL], buf_slice(&publish->small),
				     err);
	if (r == 0)
		r = artifact_sign(&publish->words->signer, &publish->release, &sig, err);
	return r < 0 ? r : file_draft_write(publish->drafts[RESOURCE_SIG], buf_slice(&sig), err);
}

/* --- the folder --- */

static int open_drafts(struct publish *publish, struct err *err)
{
	int r = file_open_dir(AT_FDCWD, publish->words->origin, false, 0, &publish->root, err);

	if (r < 0)
		return err_wrap(err, "--origin");
	for (unsigned i = 0; r == 0 && i < RESOURCE_V1_PARTS; i++)
		r = resource_file(publish->release.resource.name, (enum resource_part)i,
				  publish->files[i], err);
	for (unsigned i = 0; r == 0 && i < RESOURCE_V1_PARTS; i++)
		r = folder_draft(publish->root, publish->words->folder, publish->files[i],
				 &publish->drafts[i], err);
	return r;
}

/* One of the release before would speak of other bytes. */
static int drop_signature(const struct publish *publish, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = file_open_dir(publish->root, publish->words->folder, false, 0, &dir, err);

	if (r == 0)
		r = file_remove(dir, publish->files[RESOURCE_SIG], err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int put_in_place(struct publish *publish, struct err *err)
{
	int r = file_draft_publish(publish->drafts[RESOURCE_BIG], FILE_REPLACE, err);

	if (r == 0 && publish->words->signer.key)
		r = file_draft_publish(publish->drafts[RESOURCE_SIG], FILE_REPLACE, err);
	else if (r == 0)
		r = drop_signature(publish, err);
	return r < 0 ? r : file_draft_publish(publish->drafts[RESOURCE_SMALL], FILE_REPLACE, err);
}

static int publish_all(struct publish *publish, struct err *err)
{
	int r = open_drafts(publish, err);

	if (r == 0)
		r = seal(publish, err);
	return r < 0 ? r : put_in_place(publish, err);
}

/* --- the words --- */

static bool is_of_v2(const struct publish_words *words)
{
	return words->version || words->anchors || words->serial || words->expires ||
	       words->min_format || words->protection || words->type || words->content_key ||
	       words->devices || words->device.count > 0 || words->images.count > 0;
}

/* What is wrong with the words themselves. */
static int check(struct publish *publish, struct err *err)
{
	struct publish_words *words = publish->words;

	if (!words->folder)
		words->folder = "models";
	publish->release.resource = (struct resource){
		.folder = slice_str(words->folder),
		.name = slice_str(words->name),
	};
	if (is_of_v2(words))
		return err_set(err, ERR_INVALID, "there are options that go with --format v2");
	if (!words->salts)
		return err_set(err, ERR_INVALID, "--salts is missing");
	if (!words->signer.key_file != !words->signer.cert_file)
		return err_set(err, ERR_INVALID, "--sign-key and --sign-cert go together");
	return resource_check(&publish->release.resource, err);
}

int publish_v1(const struct cli *cli, struct publish_words *words)
{
	CLEANUP(publish_fini) struct publish publish = PUBLISH_INIT;
	struct err err;
	int r;

	publish.words = words;
	if (check(&publish, &err) < 0)
		return cli_usage(cli, &err);
	r = artifact_signer_read(&words->signer, &err);
	if (r == 0)
		r = publish_all(&publish, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	return artifact_print(cli, &publish.release, words->signer.key != NULL);
}
