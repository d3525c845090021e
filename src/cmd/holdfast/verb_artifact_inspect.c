/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at what lies in an origin's folder as a loader would, and says all of it: sizes, digest,
 * signature, whether it opens. Its exit status is that of what was asked for: a signature counts
 * with --anchors, opening with --salts.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/inspect.h"
#include "cmd/holdfast/progress.h"
#include "cmd/holdfast/verb.h"
#include "origin/folder.h"

#define PIECE (128u * 1024u)

enum signature { SIG_NONE, SIG_UNCHECKED, SIG_GOOD, SIG_UNTRUSTED, SIG_BAD, SIG_WORDS };

static const char *const SIGNATURES[SIG_WORDS] = {
	[SIG_NONE] = "none", [SIG_UNCHECKED] = "not checked",
	[SIG_GOOD] = "good", [SIG_UNTRUSTED] = "untrusted",
	[SIG_BAD] = "bad",
};

struct inspect {
	const char *format, *name, *folder, *origin, *salts, *anchors_file;
	int root;
	struct v1_check *check;
	struct progress progress;
	/* What was found. */
	struct v1_release release;
	uint64_t sizes[RESOURCE_V1_PARTS];
	enum signature signature;
	char signer[X509_TEXT_MAX]; /* "" = unknown */
	bool opens;		    /* when salts are given */
	uint64_t plain;
	struct err fault; /* of the signature, or of opening */
};

static void inspect_fini(struct inspect *inspect)
{
	v1_check_free(inspect->check);
	fd_close_cleanup(&inspect->root);
}

/* --- the parts --- */

static void file_fini(struct folder_file *file)
{
	fd_close_cleanup(&file->fd);
}

static int check_part(struct inspect *inspect, enum resource_part part, struct err *err)
{
	CLEANUP(file_fini) struct folder_file file = {.fd = -1};
	CLEANUP(buf_fini) struct buf piece = BUF_INIT(PIECE);
	uint8_t *bytes = buf_grow(&piece, PIECE);
	char name[RESOURCE_FILE_MAX + 1];
	uint64_t at = 0;
	int r = resource_file(inspect->release.resource.name, part, name, err);

	if (r == 0 && !bytes)
		r = err_set(err, ERR_INTERNAL, "memory is short");
	if (r == 0)
		r = folder_open(inspect->root, inspect->folder, name, &file, err);
	while (r == 0 && at < file.size) {
		size_t len = file.size - at < PIECE ? (size_t)(file.size - at) : PIECE;

		r = folder_read_at(&file, at, bytes, len, err);
		if (r == 0)
			r = v1_check_add(inspect->check, slice_of(bytes, len), err);
		progress_move(&inspect->progress, len, len);
		at += len;
	}
	inspect->sizes[part] = at;
	return r < 0 ? err_wrap(err, "%s", part == RESOURCE_SMALL ? "small part" : "big part") : 0;
}

static int check_parts(struct inspect *inspect, struct err *err)
{
	int r = file_open_dir(AT_FDCWD, inspect->origin, false, 0, &inspect->root, err);

	if (r < 0)
		return err_wrap(err, "--origin");
	r = v1_check_new(&inspect->check, err);
	progress_begin(&inspect->progress, "reading", PROGRESS_TOTAL_UNKNOWN, true);
	if (r == 0)
		r = check_part(inspect, RESOURCE_SMALL, err);
	if (r == 0)
		r = check_part(inspect, RESOURCE_BIG, err);
	progress_end(&inspect->progress);
	return r < 0 ? r : v1_check_end(inspect->check, &inspect->release.seen, err);
}

/* --- the signature --- */

static enum signature judge_signature(struct inspect *inspect, struct slice sig,
				      struct slice anchors)
{
	int r = v1_sig_verify(sig, &inspect->release, anchors, clock_now(), &inspect->fault);

	if (r == 0)
		return SIG_GOOD;
	return r == ERR_FORBIDDEN ? SIG_UNTRUSTED : SIG_BAD;
}

static int check_signature(struct inspect *inspect, struct err *err)
{
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX);
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	char name[RESOURCE_FILE_MAX + 1];
	int r = resource_file(inspect->release.resource.name, RESOURCE_SIG, name, err);

	if (r == 0 && inspect->anchors_file)
		r = artifact_anchors(inspect->anchors_file, &anchors, err);
	if (r < 0)
		return r;
	r = folder_read(inspect->root, inspect->folder, name, &sig, err);
	if (r == ERR_NOT_FOUND) {
		if (inspect->anchors_file)
			(void)err_set(&inspect->fault, ERR_DAMAGED, "there is no signature");
		return 0;
	}
	if (r < 0)
		return err_wrap(err, "signature");
	inspect->sizes[RESOURCE_SIG] = sig.len;
	inspect->signature = SIG_UNCHECKED;
	artifact_signer_name(buf_slice(&sig), inspect->signer);
	if (inspect->anchors_file)
		inspect->signature = judge_signature(inspect, buf_slice(&sig), buf_slice(&anchors));
	return 0;
}

static int check_opens(struct inspect *inspect, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct v1_facts facts = {.plain = 0};
	int r;

	if (!inspect->salts)
		return 0;
	r = artifact_fleet_key(inspect->salts, &key, err);
	if (r < 0)
		return r;
	r = v1_check_verdict(inspect->check, key, NULL, &facts, err);
	if (r < 0 && r != ERR_DAMAGED)
		return r;
	inspect->opens = r == 0;
	inspect->plain = facts.plain;
	if (r < 0 && inspect->fault.code == 0)
		inspect->fault = *err;
	return 0;
}

/* --- telling --- */

static int print_json(const struct cli *cli, const struct inspect *inspect, const char *digest)
{
	json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "folder",
				   inspect->folder, "name", inspect->name, "small",
				   (json_int_t)inspect->sizes[RESOURCE_SMALL], "big",
				   (json_int_t)inspect->sizes[RESOURCE_BIG], "sig",
				   (json_int_t)inspect->sizes[RESOURCE_SIG], "length",
				   (json_int_t)inspect->release.seen.size, "sha256", digest,
				   "signature", SIGNATURES[inspect->signature]);

	if (object && inspect->signer[0])
		(void)json_object_set_new(object, "signer", json_string(inspect->signer));
	if (object && inspect->salts)
		(void)json_object_set_new(object, "opens", json_boolean(inspect->opens));
	if (object && inspect->opens)
		(void)json_object_set_new(object, "plain",
					  json_integer((json_int_t)inspect->plain));
	return cli_print_object(cli, object);
}

static void put_size(struct buf *out, const char *label, uint64_t bytes)
{
	cli_put_label(out, label);
	buf_printf(out, "%" PRIu64 " bytes\n", bytes);
}

static int print_text(const struct cli *cli, const struct inspect *inspect, const char *digest)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(4096);

	put_size(&out, "small part", inspect->sizes[RESOURCE_SMALL]);
	put_size(&out, "big part", inspect->sizes[RESOURCE_BIG]);
	cli_put_line(&out, "sha256", digest);
	cli_put_line(&out, "signature", SIGNATURES[inspect->signature]);
	if (inspect->signer[0])
		cli_put_line(&out, inspect->signature == SIG_GOOD ? "signed by" : "claims to be by",
			     inspect->signer);
	if (inspect->salts)
		cli_put_line(&out, "opens", inspect->opens ? "yes" : "no");
	if (inspect->opens)
		put_size(&out, "content", inspect->plain);
	return cli_print(cli, &out);
}

static int tell(const struct cli *cli, const struct inspect *inspect)
{
	CLEANUP(buf_fini) struct buf digest = BUF_INIT(2 * V1_DIGEST + 1);
	int r;

	hex_encode(&digest, slice_of(inspect->release.seen.digest, V1_DIGEST));
	buf_put_u8(&digest, '\0');
	if (!buf_ok(&digest))
		return cli_print(cli, &digest);
	if (cli->json)
		r = print_json(cli, inspect, (const char *)digest.data);
	else
		r = print_text(cli, inspect, (const char *)digest.data);
	if (r != CLI_DONE || inspect->fault.code == 0)
		return r;
	return cli->json ? CLI_FAILED : cli_fail(cli, &inspect->fault);
}

static int inspect_v1(const struct cli *cli, struct inspect *inspect)
{
	struct err err;
	int r;

	if (!inspect->folder)
		inspect->folder = "models";
	inspect->release.resource = (struct resource){
		.folder = slice_str(inspect->folder),
		.name = slice_str(inspect->name),
	};
	if (resource_check(&inspect->release.resource, &err) < 0)
		return cli_usage(cli, &err);
	r = check_parts(inspect, &err);
	if (r == 0)
		r = check_signature(inspect, &err);
	if (r == 0)
		r = check_opens(inspect, &err);
	return r < 0 ? cli_fail(cli, &err) : tell(cli, inspect);
}

static int look_v2(const struct cli *cli, const struct inspect *inspect)
{
	CLEANUP(release_fini) struct release release = RELEASE_INIT;
	struct err err;
	int r;

	release.origin = inspect->origin;
	release.folder = inspect->folder;
	release.name = inspect->name;
	r = release_check(&release, &err);
	if (r == 0 && inspect->salts)
		r = err_set(&err, ERR_INVALID, "--salts goes with --format v1");
	return r < 0 ? cli_usage(cli, &err) : inspect_v2(cli, &release, inspect->anchors_file);
}

int verb_artifact_inspect(struct cli *cli, struct opt_words words)
{
	CLEANUP(inspect_fini) struct inspect inspect = {.root = -1};
	const struct opt opts[] = {
		{.kind = OPT_CHOICE,
		 .name = "format",
		 .value = "v1|v2",
		 .help = "as it was published; default: v1",
		 .text = &inspect.format},
		RELEASE_OPT_NAME(inspect),
		RELEASE_OPT_FOLDER(inspect),
		RELEASE_OPT_ORIGIN(inspect),
		{.kind = OPT_TEXT,
		 .name = "salts",
		 .value = "FILE",
		 .help = "v1: look whether it opens with the key of these salts",
		 .text = &inspect.salts},
		RELEASE_OPT_ANCHORS("PEM of those whose signature must be there",
				    inspect.anchors_file),
	};
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (inspect.format && strcmp(inspect.format, "v2") == 0)
		return look_v2(cli, &inspect);
	return inspect_v1(cli, &inspect);
}
