/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing an artifact of version 2. All files are whole, and nobody sees them yet, when the
 * content key gets its name, durably: a payload whose key was lost opens nowhere. Then payload,
 * device keys, and the manifest, which is the switch: until it has its name the release before is
 * the one, whatever happens.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "artifact/content_key.h"
#include "artifact/payload.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/expiry.h"
#include "cmd/holdfast/fleet.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/key_lines.h"
#include "cmd/holdfast/progress.h"
#include "cmd/holdfast/publish.h"
#include "cmd/holdfast/release.h"
#include "crypto/cipher.h"

#define PIECE (128u * 1024u)

static const char REMEDY_SIZE[] = "Name a regular file by --in FILE: its size is sealed first.";
static const char REMEDY_BEFORE[] =
	"Put the right one back, or name by --anchors whose releases devices take; or say by "
	"--serial a number above all that were published: devices remember them.";
static const char REMEDY_SERIAL[] =
	"Leave --serial out to take the next one: devices refuse what is not above it.";
static const char REMEDY_LAST[] =
	"There is no number above it: publish under another name, or in another folder.";
static const char REMEDY_CONTENT_KEY[] =
	"It may be all that opens a release that is out there: name another file.";

enum { PAYLOAD, KEYS, MANIFEST, DRAFTS };

struct publish {
	struct publish_words *words;
	struct release release; /* its manifest is the one before, when that is verified */
	struct buf anchors;	/* of that, DER; empty: the signer's chain */
	struct manifest *manifest;
	struct secret *key;
	struct fleet fleet;
	struct key_merge merge;
	struct file_draft *content_key;
	struct file_draft *drafts[DRAFTS];
	/* While it is sealed. */
	struct io_in in;
	struct payload_seal *seal;
	struct progress progress;
	struct buf sealed;
	uint8_t piece[PIECE];
};

static void publish_free(struct publish *publish)
{
	if (!publish)
		return;
	release_fini(&publish->release);
	buf_fini(&publish->anchors);
	manifest_free(publish->manifest);
	secret_free(publish->key);
	fleet_fini(&publish->fleet);
	file_draft_free(publish->content_key);
	for (unsigned i = 0; i < DRAFTS; i++)
		file_draft_free(publish->drafts[i]);
	io_in_fini(&publish->in);
	payload_seal_free(publish->seal);
	buf_fini(&publish->sealed);
	wipe(publish->piece, sizeof(publish->piece));
	free(publish);
}
MEM_DEFINE_CLEANUP(publish)

static int publish_new(struct publish_words *words, struct publish **ret_publish, struct err *err)
{
	CLEANUP(publish_cleanup) struct publish *publish = calloc(1, sizeof(*publish));

	if (!publish)
		return err_set(err, ERR_INTERNAL, "memory is short");
	publish->words = words;
	publish->release = (struct release)RELEASE_INIT;
	publish->release.origin = words->origin;
	publish->release.folder = words->folder;
	publish->release.name = words->name;
	publish->anchors = (struct buf)BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	publish->in = (struct io_in)IO_IN_INIT;
	publish->sealed = (struct buf)BUF_INIT(PIECE + PAYLOAD_GROWTH);
	publish->manifest = calloc(1, sizeof(*publish->manifest));
	if (!publish->manifest)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_publish = TAKE(publish);
	return 0;
}

/* --- the words --- */

static int read_image(struct manifest *manifest, const char *text, struct err *err)
{
	struct manifest_image *image = &manifest->images[manifest->image_count];
	const char *equals = strrchr(text, '=');
	size_t ref = equals ? (size_t)(equals - text) : 0;

	if (ref == 0 || ref >= sizeof(image->ref) || strlen(equals + 1) >= sizeof(image->id))
		return err_set(err, ERR_INVALID,
			       "--image: not REF=sha256:.., as docker images "
			       "--no-trunc shows them");
	memcpy(image->ref, text, ref);
	memcpy(image->id, equals + 1, strlen(equals + 1));
	manifest->image_count++;
	return 0;
}

static int read_type(struct publish *publish, struct err *err)
{
	const struct publish_words *words = publish->words;
	struct manifest *manifest = publish->manifest;
	int r = 0;

	manifest->type = MANIFEST_FILE;
	if (words->type && strcmp(words->type, manifest_type_name(MANIFEST_IMAGES_ARCHIVE)) == 0)
		manifest->type = MANIFEST_IMAGES_ARCHIVE;
	if ((manifest->type == MANIFEST_IMAGES_ARCHIVE) != (words->images.count > 0))
		return err_set(err, ERR_INVALID, "--type docker-archive and --image go together");
	for (size_t i = 0; r == 0 && i < words->images.count; i++)
		r = read_image(manifest, words->images.items[i], err);
	return r;
}

static int read_numbers(struct publish *publish, struct err *err)
{
	const struct publish_words *words = publish->words;
	struct manifest *manifest = publish->manifest;
	uint64_t format = 2;
	int r = 0;

	if (words->serial)
		r = opt_number(words->serial, "--serial", 1, MANIFEST_SERIAL_MAX, &manifest->serial,
			       err);
	if (r == 0 && words->min_format)
		r = opt_number(words->min_format, "--min-format", 1, 2, &format, err);
	if (r == 0 && words->expires)
		r = expiry_parse(words->expires, (int64_t)time(NULL), &manifest->expires, err);
	manifest->min_format = (unsigned)format;
	return r;
}

static int check_given(const struct publish_words *words, struct err *err)
{
	if (words->salts)
		return err_set(err, ERR_INVALID, "--salts goes with --format v1");
	if (!words->signer.key_file || !words->signer.cert_file)
		return err_set(err, ERR_INVALID,
			       "--format v2 needs --sign-key and --sign-cert: devices take "
			       "nothing that is not signed");
	if (!words->version)
		return err_set(err, ERR_INVALID, "--version is missing");
	if (!words->content_key || io_is_standard(words->content_key))
		return err_set(err, ERR_INVALID,
			       "--content-key FILE is missing: where the release's key is kept");
	return 0;
}

static int check(struct publish *publish, struct err *err)
{
	const struct publish_words *words = publish->words;
	struct manifest *manifest = publish->manifest;
	int r = check_given(words, err);

	if (r == 0)
		r = release_check(&publish->release, err);
	if (r == 0)
		r = read_type(publish, err);
	if (r == 0)
		r = read_numbers(publish, err);
	if (r < 0)
		return r;
	if (strlen(words->version) > MANIFEST_VERSION_MAX)
		return err_set(err, ERR_INVALID, "--version: over %u characters",
			       MANIFEST_VERSION_MAX);
	manifest->protection = words->protection && strcmp(words->protection, "software") == 0
				       ? MANIFEST_SOFTWARE
				       : MANIFEST_TPM;
	/* Their lengths were checked. */
	memcpy(manifest->version, words->version, strlen(words->version));
	memcpy(manifest->folder, publish->release.folder, strlen(publish->release.folder));
	memcpy(manifest->name, words->name, strlen(words->name));
	return 0;
}

/* --- what must be there before --- */

static uint64_t serial_before(const struct publish *publish)
{
	return publish->release.manifest ? publish->release.manifest->serial : 0;
}

/* What is wrong is the manifest itself: devices do not take it either. */
static bool is_false(int r)
{
	return r == ERR_DAMAGED || r == ERR_FORBIDDEN || r == ERR_WRONG_NAME ||
	       r == ERR_NOT_SUPPORTED || r == ERR_TOO_LARGE;
}

/*
 * Who can write the origin's folder could else end a name for ever, by one with a serial of his
 * choice. Dates are not looked at: the one before was signed when they were right.
 */
static int read_before(struct publish *publish, struct err *err)
{
	const struct publish_words *words = publish->words;
	struct manifest_trust trust = {.anchors = buf_slice(&words->signer.chain),
				       .at = CMS_ANY_TIME};
	int r = 0;

	if (words->anchors) {
		r = artifact_anchors(words->anchors, &publish->anchors, err);
		trust.anchors = buf_slice(&publish->anchors);
	}
	if (r < 0)
		return r;
	r = release_read_trusted(&publish->release, &trust, err);
	if (r == ERR_NOT_FOUND || (words->serial && is_false(r)))
		return 0;
	return is_false(r) ? err_add_remedy(err, REMEDY_BEFORE) : r;
}

static int take_serial(struct publish *publish, struct err *err)
{
	struct manifest *manifest = publish->manifest;
	const bool is_named = manifest->serial != 0;
	uint64_t before;
	int r = read_before(publish, err);

	if (r < 0)
		return r;
	before = serial_before(publish);
	if (!is_named && before < MANIFEST_SERIAL_MAX)
		manifest->serial = before + 1;
	if (manifest->serial > before)
		return 0;
	(void)err_set(err, ERR_CONFLICT, "serial %" PRIu64 " is there already", before);
	return err_add_remedy(err, before < MANIFEST_SERIAL_MAX ? REMEDY_SERIAL : REMEDY_LAST);
}

static int take_devices(struct publish *publish, struct err *err)
{
	const struct publish_words *words = publish->words;
	int r = 0;

	publish->fleet.protection = publish->manifest->protection;
	for (size_t i = 0; r == 0 && i < words->device.count; i++)
		r = fleet_add_file(&publish->fleet, words->device.items[i], err);
	if (r == 0 && words->devices)
		r = fleet_add_folder(&publish->fleet, words->devices, err);
	fleet_sort(&publish->fleet);
	return r;
}

/* @r is what came of making it, or of naming it. */
static int end_content_key(int r, struct err *err)
{
	if (r == ERR_CONFLICT)
		(void)err_add_remedy(err, REMEDY_CONTENT_KEY);
	return r < 0 ? err_wrap(err, "--content-key") : 0;
}

static int open_content_key(struct publish *publish, struct err *err)
{
	int r = io_new(publish->words->content_key, &publish->content_key, err);

	return end_content_key(r, err);
}

/* Whatever is not right is found before hours of sealing. */
static int prepare(struct publish *publish, struct err *err)
{
	int r = artifact_signer_read(&publish->words->signer, err);

	if (r == 0)
		r = artifact_signer_check_v2(&publish->words->signer, err);
	if (r == 0)
		r = release_open(&publish->release, RELEASE_MAKE, err);
	if (r == 0)
		r = take_serial(publish, err);
	if (r == 0)
		r = take_devices(publish, err);
	if (r == 0)
		r = open_content_key(publish, err);
	if (r == 0)
		r = secret_new(PAYLOAD_KEY, &publish->key, err);
	return r < 0 ? r : cipher_random(secret_data(publish->key), PAYLOAD_KEY, err);
}

/* --- the payload --- */

static int begin_payload(struct publish *publish, struct err *err)
{
	const struct payload_release of = {
		.resource = publish->release.resource,
		.serial = publish->manifest->serial,
	};
	int r = io_in_open(&publish->in, publish->words->in, err);

	if (r == 0 && publish->in.size == IO_SIZE_UNKNOWN) {
		r = err_set(err, ERR_INVALID, "--in: its size must be known");
		(void)err_add_remedy(err, REMEDY_SIZE);
	}
	if (r < 0)
		return r;
	publish->manifest->plain_size = publish->in.size;
	publish->manifest->payload_size = payload_size(publish->in.size);
	progress_begin(&publish->progress, "sealing", publish->in.size,
		       isatty(publish->in.fd) != 1);
	r = payload_seal_new(publish->key, &of, publish->in.size, &publish->seal, err);
	if (r < 0)
		return r;
	/* Until its digest is known it has the manifest's name. */
	return file_draft_new(publish->release.dir, publish->release.file, RELEASE_FILE_MODE,
			      &publish->drafts[PAYLOAD], err);
}

static int hand_on(struct publish *publish, size_t plain, struct err *err)
{
	int r = file_draft_write(publish->drafts[PAYLOAD], buf_slice(&publish->sealed), err);

	progress_move(&publish->progress, plain, publish->sealed.len);
	buf_reset(&publish->sealed);
	return r;
}

static int run_payload(struct publish *publish, struct err *err)
{
	size_t len = 1;
	int r = 0;

	while (r == 0 && len > 0) {
		r = io_in_read(&publish->in, publish->piece, PIECE, &len, err);
		if (r == 0 && len > 0)
			r = payload_seal_add(publish->seal, slice_of(publish->piece, len),
					     &publish->sealed, err);
		else if (r == 0)
			r = payload_seal_end(publish->seal, &publish->sealed,
					     publish->manifest->payload_digest, err);
		if (r == 0)
			r = hand_on(publish, len, err);
	}
	return r;
}

static int make_payload(struct publish *publish, struct err *err)
{
	char file[RESOURCE_FILE_MAX + 1];
	int r = begin_payload(publish, err);

	if (r == 0)
		r = run_payload(publish, err);
	progress_end(&publish->progress);
	if (r == 0)
		r = release_payload_file(publish->manifest, file, err);
	return r < 0 ? r : file_draft_name(publish->drafts[PAYLOAD], file, err);
}

/* --- manifest, keys --- */

static int make_manifest(struct publish *publish, struct err *err)
{
	const struct artifact_signer *signer = &publish->words->signer;
	CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX), whole = BUF_INIT(CMS_WHOLE_MAX);
	int r = manifest_write(publish->manifest, &json, err);

	if (r == 0)
		r = cms_seal_whole(signer->key, buf_slice(&signer->chain), buf_slice(&json), &whole,
				   err);
	if (r == 0)
		r = file_draft_new(publish->release.dir, publish->release.file, RELEASE_FILE_MODE,
				   &publish->drafts[MANIFEST], err);
	return r < 0 ? r : file_draft_write(publish->drafts[MANIFEST], buf_slice(&whole), err);
}

static int make_keys(struct publish *publish, struct err *err)
{
	char file[RESOURCE_FILE_MAX + 1];
	int r = release_keys_file(publish->manifest, file, err);

	publish->merge = (struct key_merge){
		.fleet = &publish->fleet,
		.key = publish->key,
		.manifest = publish->manifest->digest,
	};
	if (r == 0)
		r = file_draft_new(publish->release.dir, file, RELEASE_KEYS_MODE,
				   &publish->drafts[KEYS], err);
	return r < 0 ? r : key_merge(&publish->merge, publish->drafts[KEYS], err);
}

static int make_content_key(struct publish *publish, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *json = NULL;
	int r = content_key_write(publish->manifest, publish->key, &json, err);

	return r < 0 ? r : file_draft_write(publish->content_key, secret_slice(json), err);
}

static int put_in_place(struct publish *publish, struct err *err)
{
	int r = file_draft_publish(publish->content_key, FILE_CREATE, err);

	r = end_content_key(r, err);
	if (r < 0)
		return r;
	release_replaced(&publish->release);
	for (unsigned i = 0; r == 0 && i < DRAFTS; i++)
		r = file_draft_publish(publish->drafts[i], FILE_REPLACE, err);
	return r;
}

static int publish_all(struct publish *publish, struct err *err)
{
	int r = prepare(publish, err);

	if (r == 0)
		r = make_payload(publish, err);
	if (r == 0)
		r = make_manifest(publish, err);
	if (r == 0)
		r = make_keys(publish, err);
	if (r == 0)
		r = make_content_key(publish, err);
	return r < 0 ? r : put_in_place(publish, err);
}

/* --- telling --- */

static int tell(const struct cli *cli, const struct publish *publish)
{
	const struct manifest *manifest = publish->manifest;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(2048);
	char hex[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, hex);
	if (cli->json)
		return cli_print_object(
			cli, json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:I}", "folder",
				       manifest->folder, "name", manifest->name, "serial",
				       (json_int_t)manifest->serial, "before",
				       (json_int_t)serial_before(publish), "size",
				       (json_int_t)manifest->plain_size, "manifest", hex,
				       "protection", manifest_protection_name(manifest->protection),
				       "devices", (json_int_t)publish->merge.added, "left_out",
				       (json_int_t)publish->fleet.left_out));
	buf_printf(&out,
		   "%s/%s: serial %" PRIu64 ", %" PRIu64 " bytes, manifest %s, device keys: %zu",
		   manifest->folder, manifest->name, manifest->serial, manifest->plain_size, hex,
		   publish->merge.added);
	if (publish->fleet.left_out > 0)
		buf_printf(&out, ", revoked or without a TPM, left out: %zu",
			   publish->fleet.left_out);
	if (serial_before(publish) > 0)
		buf_printf(&out, ", before it: serial %" PRIu64, serial_before(publish));
	else
		buf_printf(&out, ", before it: none that counts");
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int publish_v2(const struct cli *cli, struct publish_words *words)
{
	CLEANUP(publish_cleanup) struct publish *publish = NULL;
	struct err err;

	if (publish_new(words, &publish, &err) < 0)
		return cli_fail(cli, &err);
	if (check(publish, &err) < 0)
		return cli_usage(cli, &err);
	return publish_all(publish, &err) < 0 ? cli_fail(cli, &err) : tell(cli, publish);
}
