/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals an archive of images for devices: one blob, whose key is made of the fragment that the API
 * hands out. Archive and signature are whole before the first of them takes its place.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "artifact/v1_key.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"
#include "crypto/cipher.h"

#define FRAGMENT_SIZE 32u
#define ARCHIVE_MODE  0644
#define FOLDER	      "images" /* of its signature */

struct archive {
	const char *in, *out, *fragment;
	struct artifact_signer signer;
	struct secret *key;
	struct v1_check *check; /* counts and digests */
	struct v1_release release;
	int dir; /* of @out .. */
	char sig_name[RESOURCE_FILE_MAX + 1];
	struct file_draft *draft, *sig;
};
#define ARCHIVE_INIT                                                                               \
	{                                                                                          \
		.signer = ARTIFACT_SIGNER_INIT, .dir = -1                                          \
	}

static void archive_fini(struct archive *archive)
{
	artifact_signer_fini(&archive->signer);
	secret_free(archive->key);
	v1_check_free(archive->check);
	file_draft_free(archive->draft);
	file_draft_free(archive->sig);
	fd_close_cleanup(&archive->dir);
}

/* --- the fragment --- */

static int make_fragment(const char *path, struct buf *ret_fragment, struct err *err)
{
	uint8_t *bytes = buf_grow(ret_fragment, FRAGMENT_SIZE);
	int r = bytes ? cipher_random(bytes, FRAGMENT_SIZE, err)
		      : err_set(err, ERR_INTERNAL, "memory is short");

	return r < 0 ? r : io_write(path, buf_slice(ret_fragment), err);
}

/* A new one is durable before anything is sealed with it. */
static int get_key(struct archive *archive, struct err *err)
{
	CLEANUP(buf_fini) struct buf fragment = BUF_INIT(V1_FIELD_MAX);
	int r = io_read(archive->fragment, &fragment, err);

	if (r == ERR_NOT_FOUND)
		r = make_fragment(archive->fragment, &fragment, err);
	if (r == 0)
		r = v1_key_archive(buf_slice(&fragment), &archive->key, err);
	return r < 0 ? err_wrap(err, "--fragment") : 0;
}

/* --- sealing --- */

static int take(void *arg, struct slice blob, struct err *err)
{
	struct archive *archive = arg;
	int r = v1_check_add(archive->check, blob, err);

	return r < 0 ? r : file_draft_write(archive->draft, blob, err);
}

static int open_drafts(struct archive *archive, struct err *err)
{
	const char *name = (const char *)archive->release.resource.name.data;
	CLEANUP(mem_free_cleanup)
	char *folder = strndup(archive->out, (size_t)(name - archive->out));
	int r;

	if (!folder)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = file_open_dir(AT_FDCWD, folder[0] ? folder : ".", false, 0, &archive->dir, err);
	if (r == 0)
		r = resource_file(archive->release.resource.name, RESOURCE_SIG, archive->sig_name,
				  err);
	if (r == 0)
		r = file_draft_new(archive->dir, name, ARCHIVE_MODE, &archive->draft, err);
	if (r == 0)
		r = file_draft_new(archive->dir, archive->sig_name, ARCHIVE_MODE, &archive->sig,
				   err);
	return r < 0 ? err_wrap(err, "--out") : 0;
}

static int seal(struct archive *archive, struct err *err)
{
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX);
	const struct artifact_seal wish = {
		.in = archive->in,
		.key = archive->key,
		.take = take,
		.arg = archive,
	};
	int r = v1_check_new(&archive->check, err);

	if (r == 0)
		r = artifact_seal(&wish, err);
	if (r == 0)
		r = v1_check_end(archive->check, &archive->release.seen, err);
	if (r == 0)
		r = artifact_sign(&archive->signer, &archive->release, &sig, err);
	return r < 0 ? r : file_draft_write(archive->sig, buf_slice(&sig), err);
}

/* A signature of the archive before would speak of other bytes. */
static int put_in_place(struct archive *archive, struct err *err)
{
	int r = file_draft_publish(archive->draft, FILE_REPLACE, err);

	if (r < 0)
		return r;
	if (archive->signer.key)
		return file_draft_publish(archive->sig, FILE_REPLACE, err);
	r = file_remove(archive->dir, archive->sig_name, err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int make_archive(struct archive *archive, struct err *err)
{
	int r = artifact_signer_read(&archive->signer, err);

	if (r == 0)
		r = open_drafts(archive, err);
	if (r == 0)
		r = get_key(archive, err);
	if (r == 0)
		r = seal(archive, err);
	return r < 0 ? r : put_in_place(archive, err);
}

/* --- the verb --- */

static int check(struct archive *archive, struct err *err)
{
	const char *slash = strrchr(archive->out, '/');

	archive->release.resource = (struct resource){
		.folder = slice_str(FOLDER),
		.name = slice_str(slash ? slash + 1 : archive->out),
	};
	if (io_is_standard(archive->out) || io_is_standard(archive->fragment))
		return err_set(err, ERR_INVALID, "--out and --fragment name files");
	if (!archive->signer.key_file != !archive->signer.cert_file)
		return err_set(err, ERR_INVALID, "--sign-key and --sign-cert go together");
	if (resource_check(&archive->release.resource, err) < 0)
		return err_wrap(err, "--out");
	return 0;
}

int verb_artifact_archive(struct cli *cli, struct opt_words words)
{
	CLEANUP(archive_fini) struct archive archive = ARCHIVE_INIT;
	const struct opt opts[] = {
		VERB_OPT_IN("the archive, as docker save writes it", &archive.in),
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the sealed archive goes, and its signature to FILE.sig",
		 .required = true,
		 .text = &archive.out},
		{.kind = OPT_TEXT,
		 .name = "fragment",
		 .value = "FILE",
		 .help = "the key fragment, as the API hands it out; made where it is missing",
		 .required = true,
		 .text = &archive.fragment},
		ARTIFACT_OPTS_SIGN(archive.signer),
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (check(&archive, &err) < 0)
		return cli_usage(cli, &err);
	if (make_archive(&archive, &err) < 0)
		return cli_fail(cli, &err);
	return artifact_print(cli, &archive.release, archive.signer.key != NULL);
}
