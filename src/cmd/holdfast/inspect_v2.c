/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a release of version 2 as a loader would, but for what only a device can: what its
 * manifest says, who signed it, whether the payload is the one that it names, and for how many
 * devices there are keys. All of it is said, also behind what is wrong.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/inspect.h"
#include "cmd/holdfast/key_lines.h"
#include "cmd/holdfast/progress.h"

#define TIME_ROOM sizeof("2026-01-01T00:00:00Z")

static const char REMEDY_EXPIRED[] = "Publish it anew with a later --expires, or without one.";
static const char REMEDY_PAYLOAD[] = "Put the payload back that was published, or publish anew.";
static const char REMEDY_KEYS[] = "Remove that file and wrap again for all devices.";

enum signature { SIG_UNCHECKED, SIG_GOOD, SIG_UNTRUSTED, SIG_BAD, SIG_WORDS };
static const char *const SIGNATURES[SIG_WORDS] = {
	[SIG_UNCHECKED] = "not checked",
	[SIG_GOOD] = "good",
	[SIG_UNTRUSTED] = "untrusted",
	[SIG_BAD] = "bad",
};

enum payload { PAYLOAD_RIGHT, PAYLOAD_WRONG, PAYLOAD_MISSING, PAYLOAD_WORDS };
static const char *const PAYLOADS[PAYLOAD_WORDS] = {
	[PAYLOAD_RIGHT] = "right",
	[PAYLOAD_WRONG] = "wrong",
	[PAYLOAD_MISSING] = "missing",
};

struct look {
	struct release *release;
	enum signature signature;
	char signer[X509_TEXT_MAX]; /* "" = unknown */
	enum payload payload;
	size_t keys;
	bool expired;
	struct err fault; /* the first one */
};

static void note(struct look *look, const struct err *err)
{
	if (look->fault.code == 0)
		look->fault = *err;
}

/* --- the parts --- */

static int check_signature(struct look *look, const char *anchors_file, struct err *err)
{
	CLEANUP(manifest_cleanup) struct manifest *ignored = NULL;
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	struct manifest_trust trust = {.at = clock_now()};
	struct err fault;
	int r;

	artifact_signer_name(buf_slice(&look->release->whole), look->signer);
	if (!anchors_file)
		return 0;
	r = artifact_anchors(anchors_file, &anchors, err);
	if (r < 0)
		return r;
	trust.anchors = buf_slice(&anchors);
	r = manifest_open(buf_slice(&look->release->whole), &look->release->resource, &trust,
			  &ignored, &fault);
	look->signature = SIG_GOOD;
	if (r < 0) {
		look->signature = r == ERR_FORBIDDEN ? SIG_UNTRUSTED : SIG_BAD;
		note(look, &fault);
	}
	return 0;
}

static int check_payload(struct look *look, struct err *err)
{
	const struct manifest *manifest = look->release->manifest;
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct artifact_digest digest = {.label = "reading"};
	char file[RESOURCE_FILE_MAX + 1];
	int r = release_payload_file(manifest, file, err);

	if (r == 0)
		r = file_open(look->release->dir, file, &fd, &digest.size, err);
	if (r == 0)
		r = artifact_digest(fd, &digest, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	look->payload = PAYLOAD_RIGHT;
	if (r == ERR_NOT_FOUND)
		look->payload = PAYLOAD_MISSING;
	else if (!artifact_is_payload(manifest, &digest))
		look->payload = PAYLOAD_WRONG;
	if (look->payload == PAYLOAD_RIGHT)
		return 0;
	(void)err_set(err, r == ERR_NOT_FOUND ? r : ERR_DAMAGED, "the payload is %s",
		      PAYLOADS[look->payload]);
	(void)err_add_remedy(err, REMEDY_PAYLOAD);
	note(look, err);
	return 0;
}

/* None is no fault: a release may come before its devices. */
static int check_keys(struct look *look, struct err *err)
{
	CLEANUP(key_lines_fini) struct key_lines lines = KEY_LINES_INIT;
	const struct manifest *manifest = look->release->manifest;
	struct slice line = slice_of(NULL, 0);
	char file[RESOURCE_FILE_MAX + 1];
	int r = release_keys_file(manifest, file, err);

	if (r == 0)
		r = key_lines_open(&lines, look->release->dir, file, manifest->digest, err);
	if (r == 0)
		r = key_lines_next(&lines, &line, err);
	while (r == 0 && line.len > 0) {
		look->keys++;
		r = key_lines_next(&lines, &line, err);
	}
	if (r == ERR_DAMAGED) {
		(void)err_add_remedy(err, REMEDY_KEYS);
		note(look, err);
	}
	return r == ERR_DAMAGED || r == ERR_NOT_FOUND ? 0 : r;
}

static void check_expiry(struct look *look)
{
	struct err err;

	look->expired = artifact_is_expired(look->release->manifest, clock_now(), &err) < 0;
	if (!look->expired)
		return;
	(void)err_add_remedy(&err, REMEDY_EXPIRED);
	note(look, &err);
}

static int look_at_all(struct look *look, const char *anchors_file, struct err *err)
{
	int r = release_open(look->release, RELEASE_LOOK, err);

	if (r == 0)
		r = release_read(look->release, NULL, err);
	if (r == 0)
		r = check_signature(look, anchors_file, err);
	if (r < 0)
		return r;
	check_expiry(look);
	r = check_payload(look, err);
	return r < 0 ? r : check_keys(look, err);
}

/* --- telling --- */

static json_t *images_json(const struct manifest *manifest)
{
	json_t *images = json_array();

	for (size_t i = 0; images && i < manifest->image_count; i++)
		(void)json_array_append_new(images,
					    json_pack("{s:s, s:s}", "ref", manifest->images[i].ref,
						      "id", manifest->images[i].id));
	return images;
}

static json_t *facts_json(const struct manifest *manifest)
{
	char hex[MANIFEST_DIGEST_HEX], digest[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, hex);
	manifest_hex(manifest->payload_digest, digest);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:i, s:s, s:I, s:I, s:s, s:o}",
			 "folder", manifest->folder, "name", manifest->name, "manifest", hex,
			 "type", manifest_type_name(manifest->type), "version", manifest->version,
			 "serial", (json_int_t)manifest->serial, "expires",
			 manifest->expires != 0 ? json_integer(manifest->expires) : json_null(),
			 "min_format", (int)manifest->min_format, "protection",
			 manifest_protection_name(manifest->protection), "plain",
			 (json_int_t)manifest->plain_size, "length",
			 (json_int_t)manifest->payload_size, "sha256", digest, "images",
			 images_json(manifest));
}

static int print_json(const struct cli *cli, const struct look *look)
{
	json_t *object = facts_json(look->release->manifest);

	if (object) {
		(void)json_object_set_new(object, "expired", json_boolean(look->expired));
		(void)json_object_set_new(object, "payload", json_string(PAYLOADS[look->payload]));
		(void)json_object_set_new(object, "devices", json_integer((json_int_t)look->keys));
		(void)json_object_set_new(object, "signature",
					  json_string(SIGNATURES[look->signature]));
	}
	if (object && look->signer[0])
		(void)json_object_set_new(object, "signer", json_string(look->signer));
	return cli_print_object(cli, object);
}

static void put_expiry(struct buf *out, const struct look *look)
{
	time_t at = (time_t)look->release->manifest->expires;
	char text[TIME_ROOM + 32];
	struct tm tm;

	if (at == 0 || !gmtime_r(&at, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(text, sizeof(text), "%s", at == 0 ? "never" : "in ages");
	cli_put_label(out, "expires");
	buf_printf(out, "%s%s\n", text, look->expired ? ", and has expired" : "");
}

static void put_facts(struct buf *out, const struct manifest *manifest)
{
	char hex[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, hex);
	cli_put_line(out, "manifest", hex);
	cli_put_line(out, "type", manifest_type_name(manifest->type));
	for (size_t i = 0; i < manifest->image_count; i++) {
		cli_put_line(out, "image", manifest->images[i].ref);
		cli_put_line(out, "  id", manifest->images[i].id);
	}
	cli_put_line(out, "version", manifest->version);
	cli_put_label(out, "serial");
	buf_printf(out, "%" PRIu64 "\n", manifest->serial);
	cli_put_label(out, "format at least");
	buf_printf(out, "%u\n", manifest->min_format);
	cli_put_line(out, "protection", manifest_protection_name(manifest->protection));
	cli_put_label(out, "content");
	buf_printf(out, "%" PRIu64 " bytes\n", manifest->plain_size);
}

static int print_text(const struct cli *cli, const struct look *look)
{
	const struct manifest *manifest = look->release->manifest;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(65536);
	char digest[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->payload_digest, digest);
	put_facts(&out, manifest);
	put_expiry(&out, look);
	cli_put_label(&out, "payload");
	buf_printf(&out, "%" PRIu64 " bytes: %s\n", manifest->payload_size,
		   PAYLOADS[look->payload]);
	cli_put_line(&out, "sha256", digest);
	cli_put_label(&out, "device keys");
	buf_printf(&out, "%zu\n", look->keys);
	cli_put_line(&out, "signature", SIGNATURES[look->signature]);
	if (look->signer[0])
		cli_put_line(&out, look->signature == SIG_GOOD ? "signed by" : "claims to be by",
			     look->signer);
	return cli_print(cli, &out);
}

int inspect_v2(const struct cli *cli, struct release *release, const char *anchors_file)
{
	struct look look = {.release = release};
	struct err err;
	int r;

	if (look_at_all(&look, anchors_file, &err) < 0)
		return cli_fail(cli, &err);
	r = cli->json ? print_json(cli, &look) : print_text(cli, &look);
	if (r != CLI_DONE || look.fault.code == 0)
		return r;
	return cli->json ? CLI_FAILED : cli_fail(cli, &look.fault);
}
