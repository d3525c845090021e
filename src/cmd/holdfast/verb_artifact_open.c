/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens an artifact that came by hand, on a stick, on the device that it is wrapped for. It asks in
 * the order of the loader: manifest, expiry, protection, payload, device key; then it is opened.
 * The stick may give other bytes the second time, so what is opened is digested again.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "artifact/device_key.h"
#include "artifact/payload.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/progress.h"
#include "cmd/holdfast/release.h"
#include "cmd/holdfast/verb.h"
#include "origin/folder.h"

#define PIECE (256u * 1024u)

static const char REMEDY_KEY[] =
	"Have the publisher wrap it for this device: holdfast device storage-key --format json, "
	"then artifact wrap.";
static const char REMEDY_EXPIRED[] = "Get a newer release, or set the device's clock.";
static const char REMEDY_TPM[] = "Open it on a device whose holdfastd uses a TPM.";

struct opening {
	const char *manifest_file, *payload_file, *key_file, *anchors, *out_file, *folder, *name;
	struct hf *hf;
	struct manifest *manifest;
	struct io_in payload, keys;
	char storage_key[WRAP_NAME_HEX];
	struct secret *key;
	struct payload_open *open;
	struct hash_stream *hash;
	struct io_out out;
	struct buf piece, plain;
	struct progress progress;
	int64_t now; /* CLOCK_UNSET: dates are not looked at */
};
#define OPENING_INIT                                                                               \
	{                                                                                          \
		.payload = IO_IN_INIT, .keys = IO_IN_INIT, .out = IO_OUT_INIT,                     \
		.piece = BUF_INIT(PIECE), .plain = BUF_INIT(PIECE + PAYLOAD_GROWTH)                \
	}

static void opening_fini(struct opening *opening)
{
	manifest_free(opening->manifest);
	io_in_fini(&opening->payload);
	io_in_fini(&opening->keys);
	secret_free(opening->key);
	payload_open_free(opening->open);
	hash_stream_free(opening->hash);
	io_out_fini(&opening->out);
	buf_fini(&opening->piece);
	buf_fini(&opening->plain);
}

static int of_service(const struct opening *opening, struct err *err)
{
	(void)err_set(err, hf_error_code(opening->hf), "%s", hf_error_text(opening->hf));
	return err_add_remedy(err, hf_error_remedy(opening->hf));
}

static int open_regular(struct io_in *in, const char *path, const char *what, struct err *err)
{
	int r = io_in_open(in, path, err);

	if (r == 0 && in->size == IO_SIZE_UNKNOWN)
		r = err_set(err, ERR_INVALID, "not a regular file");
	return r < 0 ? err_wrap(err, "%s", what) : 0;
}

/* --- manifest --- */

/* What was asked for is what the manifest says, but for what was named. */
static int read_manifest(struct opening *opening, struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	CLEANUP(manifest_cleanup) struct manifest *claimed = NULL;
	struct manifest_trust trust = {.at = opening->now};
	struct resource resource;
	int r = artifact_anchors(opening->anchors, &anchors, err);

	if (r < 0)
		return r;
	trust.anchors = buf_slice(&anchors);
	r = io_read(opening->manifest_file, &whole, err);
	if (r == 0)
		r = release_peek(buf_slice(&whole), &claimed, err);
	if (r < 0)
		return err_wrap(err, "--manifest");
	resource = (struct resource){
		.folder = slice_str(opening->folder ? opening->folder : claimed->folder),
		.name = slice_str(opening->name ? opening->name : claimed->name),
	};
	r = manifest_open(buf_slice(&whole), &resource, &trust, &opening->manifest, err);
	return r < 0 ? err_wrap(err, "--manifest") : 0;
}

/* --- protection, payload --- */

static int ask_storage_key(struct opening *opening, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *name = "", *protection = "";
	char *json = NULL;
	int r;

	if (hf_device_storage_key(opening->hf, &json) < 0)
		return of_service(opening, err);
	r = json_parse(slice_str(json), &object, err);
	hf_free(json);
	if (r == 0)
		r = json_get_string(object, "name", true, &name, err);
	if (r == 0)
		r = json_get_string(object, "protection", true, &protection, err);
	if (r == 0 && strlen(name) != WRAP_NAME_HEX - 1)
		r = err_set(err, ERR_INTERNAL, "the service's storage key has no Name");
	if (r < 0)
		return r;
	memcpy(opening->storage_key, name, WRAP_NAME_HEX);
	if (opening->manifest->protection != MANIFEST_TPM || strcmp(protection, "tpm") == 0)
		return 0;
	(void)err_set(err, ERR_TPM_REQUIRED, "the artifact is for devices with a TPM");
	return err_add_remedy(err, REMEDY_TPM);
}

static int check_payload(struct opening *opening, struct err *err)
{
	const struct manifest *manifest = opening->manifest;
	struct artifact_digest digest = {.label = "reading"};
	int r = open_regular(&opening->payload, opening->payload_file, "--payload", err);

	if (r < 0)
		return r;
	digest.size = opening->payload.size;
	if (digest.size == manifest->payload_size)
		r = artifact_digest(opening->payload.fd, &digest, err);
	if (r == 0 && !artifact_is_payload(manifest, &digest))
		r = err_set(err, ERR_DAMAGED, "it is not the one that the manifest names");
	return r < 0 ? err_wrap(err, "--payload") : 0;
}

/* --- device key --- */

static int read_keys(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		     struct err *err)
{
	const struct io_in *in = arg;
	const struct folder_file file = {.fd = in->fd, .size = in->size};
	uint64_t left = at < in->size ? in->size - at : 0;
	size_t some = left < len ? (size_t)left : len;
	int r = folder_read_at(&file, at, ret_bytes, some, err);

	if (r == 0)
		*ret_len = some;
	return r;
}

static int find_key(struct opening *opening, struct device_key *ret_key, struct err *err)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
	struct device_keys keys = {.read = read_keys, .arg = &opening->keys};
	int r = open_regular(&opening->keys, opening->key_file, "--key", err);

	if (r < 0)
		return r;
	keys.size = opening->keys.size;
	r = device_keys_find(&keys, opening->storage_key, &line, err);
	if (r == ERR_NOT_FOUND) {
		(void)err_set(err, r, "no key of this device is in it");
		(void)err_add_remedy(err, REMEDY_KEY);
	}
	if (r == 0)
		r = device_key_parse(buf_slice(&line), ret_key, err);
	return r < 0 ? err_wrap(err, "--key") : 0;
}

static int unwrap(struct opening *opening, struct err *err)
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	CLEANUP(secret_cleanup) struct secret *inside = NULL;
	struct hf_wrapped wrapped;
	struct duplicate parts;
	void *data = NULL;
	size_t len = 0;
	int r = find_key(opening, &key, err);

	if (r < 0)
		return r;
	parts = duplicate_of(&key.wrapped);
	wrapped = (struct hf_wrapped){
		.public_area = parts.public_area.data,
		.public_len = parts.public_area.len,
		.duplicate = parts.private_area.data,
		.duplicate_len = parts.private_area.len,
		.seed = parts.seed.data,
		.seed_len = parts.seed.len,
	};
	if (hf_unwrap(opening->hf, &wrapped, &data, &len) < 0)
		return of_service(opening, err);
	r = secret_copy(slice_of(data, len), &inside, err);
	hf_free(data);
	if (r == 0)
		r = device_key_take(inside, opening->manifest->digest, &opening->key, err);
	return r;
}

/* --- opening --- */

static int begin(struct opening *opening, struct err *err)
{
	int r = io_out_open(&opening->out, opening->out_file, err);

	if (r == 0 && !opening->out.draft)
		r = err_set(err, ERR_INVALID, "--out: not a file");
	if (r == 0 && !buf_grow(&opening->piece, PIECE))
		r = err_set(err, ERR_INTERNAL, "memory is short");
	if (r == 0)
		r = payload_open_new(opening->key, opening->manifest, &opening->open, err);
	if (r == 0)
		r = hash_stream_new(HASH_SHA256, &opening->hash, err);
	progress_begin(&opening->progress, "opening", opening->payload.size, true);
	return r;
}

static int open_piece(struct opening *opening, struct slice piece, struct err *err)
{
	int r = hash_stream_add(opening->hash, piece, err);

	if (r == 0)
		r = payload_open_add(opening->open, piece, &opening->plain, err);
	if (r == 0)
		r = io_out_write(&opening->out, buf_slice(&opening->plain), err);
	progress_move(&opening->progress, piece.len, opening->plain.len);
	buf_reset(&opening->plain);
	return r;
}

static int open_pieces(struct opening *opening, struct err *err)
{
	const struct folder_file file = {.fd = opening->payload.fd, .size = opening->payload.size};
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < file.size;) {
		size_t len = file.size - at < PIECE ? (size_t)(file.size - at) : PIECE;

		r = folder_read_at(&file, at, opening->piece.data, len, err);
		if (r == 0)
			r = open_piece(opening, slice_of(opening->piece.data, len), err);
		at += len;
	}
	return r;
}

static int open_payload(struct opening *opening, struct err *err)
{
	struct artifact_digest digest = {.size = opening->payload.size};
	int r = begin(opening, err);

	if (r == 0)
		r = open_pieces(opening, err);
	progress_end(&opening->progress);
	if (r == 0)
		r = payload_open_end(opening->open, err);
	if (r == 0)
		r = hash_stream_end(opening->hash, digest.sha256, err);
	if (r == 0 && !artifact_is_payload(opening->manifest, &digest))
		r = err_set(err, ERR_DAMAGED, "--payload: it changed while it was read");
	return r < 0 ? r : io_out_finish(&opening->out, err);
}

static int check_expiry(const struct opening *opening, struct err *err)
{
	if (opening->now == CLOCK_UNSET)
		(void)fputs("The clock was never set: no date was looked at.\n", stderr);
	if (artifact_is_expired(opening->manifest, opening->now, err) == 0)
		return 0;
	return err_add_remedy(err, REMEDY_EXPIRED);
}

static int open_all(struct opening *opening, struct err *err)
{
	int r = read_manifest(opening, err);

	if (r == 0)
		r = check_expiry(opening, err);
	if (r == 0)
		r = ask_storage_key(opening, err);
	if (r == 0)
		r = check_payload(opening, err);
	if (r == 0)
		r = unwrap(opening, err);
	return r < 0 ? r : open_payload(opening, err);
}

static int tell(const struct cli *cli, const struct opening *opening)
{
	const struct manifest *manifest = opening->manifest;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(2048);

	if (cli->json)
		return cli_print_object(cli, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "folder",
						       manifest->folder, "name", manifest->name,
						       "version", manifest->version, "serial",
						       (json_int_t)manifest->serial, "size",
						       (json_int_t)manifest->plain_size,
						       "protection", hf_protection(cli->hf)));
	buf_printf(&out, "%s/%s: version %s, serial %" PRIu64 ", %" PRIu64 " bytes\n",
		   manifest->folder, manifest->name, manifest->version, manifest->serial,
		   manifest->plain_size);
	return cli_print(cli, &out);
}

#define OPT_FILE(word, what, target)                                                               \
	{                                                                                          \
		.kind = OPT_TEXT, .name = (word), .value = "FILE", .help = (what),                 \
		.required = true, .text = (target)                                                 \
	}

int verb_artifact_open(struct cli *cli, struct opt_words words)
{
	CLEANUP(opening_fini) struct opening opening = OPENING_INIT;
	const struct opt opts[] = {
		OPT_FILE("manifest", "NAME.manifest of the origin", &opening.manifest_file),
		OPT_FILE("payload", "the .payload that it names", &opening.payload_file),
		OPT_FILE("key", "the device key, or the .keys of all", &opening.key_file),
		OPT_FILE("anchors", "PEM of those whose manifests are taken", &opening.anchors),
		OPT_FILE("out", "where it goes, when all of it is good", &opening.out_file),
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "what it must be; default: what the manifest says",
		 .text = &opening.name},
		{.kind = OPT_TEXT,
		 .name = "folder",
		 .value = "NAME",
		 .help = "the same",
		 .text = &opening.folder},
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (io_is_standard(opening.out_file)) {
		(void)err_set(&err, ERR_INVALID, "--out names a file");
		return cli_usage(cli, &err);
	}
	opening.hf = cli->hf;
	opening.now = clock_now();
	return open_all(&opening, &err) < 0 ? cli_fail(cli, &err) : tell(cli, &opening);
}
