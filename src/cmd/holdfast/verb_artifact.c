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
#include "cmd/holdfast/verb.h"
#include "origin/folder.h"

#define BIG_ROOM (256u * 1024u)

struct publish {
	const char *format, *name, *folder, *in, *origin, *salts;
	struct artifact_signer signer;
	struct v1_release release;
	struct v1_split *split;
	struct buf small, big; /* what is not written yet */
	struct file_draft *drafts[RESOURCE_PARTS];
	char files[RESOURCE_PARTS][RESOURCE_FILE_MAX + 1];
	int root;
};
#define PUBLISH_INIT                                                                               \
	{                                                                                          \
		.signer = ARTIFACT_SIGNER_INIT, .small = BUF_INIT(V1_CUT_MAX),                     \
		.big = BUF_INIT(BIG_ROOM), .root = -1                                              \
	}

static void publish_fini(struct publish *publish)
{
	artifact_signer_fini(&publish->signer);
	v1_split_free(publish->split);
	buf_fini(&publish->small);
	buf_fini(&publish->big);
	for (unsigned i = 0; i < RESOURCE_PARTS; i++)
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
	struct artifact_seal wish = {.in = publish->in, .take = take, .arg = publish};
	int r = artifact_fleet_key(publish->salts, &key, err);

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
		r = artifact_sign(&publish->signer, &publish->release, &sig, err);
	return r < 0 ? r : file_draft_write(publish->drafts[RESOURCE_SIG], buf_slice(&sig), err);
}

/* --- the folder --- */

static int open_drafts(struct publish *publish, struct err *err)
{
	int r = file_open_dir(AT_FDCWD, publish->origin, false, 0, &publish->root, err);

	if (r < 0)
		return err_wrap(err, "--origin");
	for (unsigned i = 0; r == 0 && i < RESOURCE_PARTS; i++)
		r = resource_file(publish->release.resource.name, (enum resource_part)i,
				  publish->files[i], err);
	for (unsigned i = 0; r == 0 && i < RESOURCE_PARTS; i++)
		r = folder_draft(publish->root, publish->folder, publish->files[i],
				 &publish->drafts[i], err);
	return r;
}

/* One of the release before would speak of other bytes. */
static int drop_signature(const struct publish *publish, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = file_open_dir(publish->root, publish->folder, false, 0, &dir, err);

	if (r == 0)
		r = file_remove(dir, publish->files[RESOURCE_SIG], err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int put_in_place(struct publish *publish, struct err *err)
{
	int r = file_draft_publish(publish->drafts[RESOURCE_BIG], FILE_REPLACE, err);

	if (r == 0 && publish->signer.key)
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

/* --- the verb --- */

/* What is wrong with the words themselves. */
static int check(struct publish *publish, struct err *err)
{
	if (publish->format && strcmp(publish->format, "v2") == 0)
		return err_set(err, ERR_NOT_SUPPORTED, "--format v2 is not there yet");
	if (!publish->folder)
		publish->folder = "models";
	publish->release.resource = (struct resource){
		.folder = slice_str(publish->folder),
		.name = slice_str(publish->name),
	};
	if (!publish->salts)
		return err_set(err, ERR_INVALID, "--salts is missing");
	if (!publish->signer.key_file != !publish->signer.cert_file)
		return err_set(err, ERR_INVALID, "--sign-key and --sign-cert go together");
	return resource_check(&publish->release.resource, err);
}

int verb_artifact_publish(struct cli *cli, struct opt_words words)
{
	CLEANUP(publish_fini) struct publish publish = PUBLISH_INIT;
	const struct opt opts[] = {
		{.kind = OPT_CHOICE,
		 .name = "format",
		 .value = "v1|v2",
		 .help = "how it is protected; default: v1; v2 is not there yet",
		 .text = &publish.format},
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "how it is called: up to 249 of A-Z a-z 0-9 . _ -",
		 .required = true,
		 .text = &publish.name},
		{.kind = OPT_TEXT,
		 .name = "folder",
		 .value = "NAME",
		 .help = "where it goes; default: models",
		 .text = &publish.folder},
		VERB_OPT_IN("what is published", &publish.in),
		{.kind = OPT_TEXT,
		 .name = "origin",
		 .value = "DIR",
		 .help = "the folder that holdfast-origin, or another server, serves",
		 .required = true,
		 .text = &publish.origin},
		{.kind = OPT_TEXT,
		 .name = "salts",
		 .value = "FILE",
		 .help = "the servers' salts, of which `resource` makes the key",
		 .text = &publish.salts},
		ARTIFACT_OPTS_SIGN(publish.signer),
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (check(&publish, &err) < 0)
		return cli_usage(cli, &err);
	r = artifact_signer_read(&publish.signer, &err);
	if (r == 0)
		r = publish_all(&publish, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	return artifact_print(cli, &publish.release, publish.signer.key != NULL);
}
