/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/artifact.h"

#include <inttypes.h>
#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "artifact/floor.h"
#include "artifact/v1_key.h"
#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/progress.h"
#include "conf/loader.h"
#include "origin/folder.h"

#define PIECE	(128u * 1024u)
#define KEY_MAX 16384u

/* --- who signs --- */

static const char REMEDY_KEY[] = "Write it without a passphrase, by openssl pkey -in KEY -out "
				 "FILE, where only the publisher "
				 "reads it.";

static int read_key(struct artifact_signer *signer, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEY_MAX);
	int r = io_read(signer->key_file, &pem, err);

	if (r < 0)
		return r;
	r = pkey_from_pkcs8_pem(buf_slice(&pem), NULL, &signer->key, err);
	if (r == ERR_INVALID)
		r = pkey_from_ec_pem(buf_slice(&pem), &signer->key, err);
	return r == ERR_AUTH_FAILED ? err_add_remedy(err, REMEDY_KEY) : r;
}

static int read_chain(struct artifact_signer *signer, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	int r = io_read(signer->cert_file, &pem, err);

	return r < 0 ? r : x509_chain_of_pem(buf_slice(&pem), &signer->chain, err);
}

/* What does not fit together is found before hours of sealing. */
static int try_out(const struct artifact_signer *signer, struct err *err)
{
	CLEANUP(buf_fini) struct buf ignored = BUF_INIT(CMS_MAX);

	return cms_sign(signer->key, buf_slice(&signer->chain), slice_str("{}"), &ignored, err);
}

int artifact_signer_read(struct artifact_signer *signer, struct err *err)
{
	int r;

	if (!signer->key_file != !signer->cert_file)
		return err_set(err, ERR_INVALID, "--sign-key and --sign-cert go together");
	if (!signer->key_file)
		return 0;
	r = read_key(signer, err);
	if (r < 0)
		return err_wrap(err, "--sign-key");
	r = read_chain(signer, err);
	if (r == 0)
		r = try_out(signer, err);
	return r < 0 ? err_wrap(err, "--sign-cert") : 0;
}

static const char REMEDY_USAGE[] =
	"Have a certificate made with extendedKeyUsage = " MANIFEST_USAGE
	" and keyUsage = digitalSignature (docs/ARTIFACT.md, \"Manifest\"); that of version 1 is "
	"another one.";
static const char REMEDY_DATES[] = "Have the certificate renewed, or set this machine's clock.";

/* Any of the chain is an anchor here: what can fail is the signer's own certificate. */
static int check_v2_at(const struct artifact_signer *signer, struct slice whole, int64_t at,
		       struct err *err)
{
	const struct cms_trust trust = {
		.anchors = buf_slice(&signer->chain), .usage = MANIFEST_USAGE, .at = at};
	CLEANUP(buf_fini) struct buf ignored = BUF_INIT(CMS_MAX);

	return cms_open_whole(whole, &trust, &ignored, err);
}

int artifact_signer_check_v2(const struct artifact_signer *signer, struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	const char *remedy = REMEDY_USAGE;
	int r = cms_seal_whole(signer->key, buf_slice(&signer->chain), slice_str("{}"), &whole,
			       err);

	if (r == 0)
		r = check_v2_at(signer, buf_slice(&whole), CMS_ANY_TIME, err);
	if (r == 0) {
		remedy = REMEDY_DATES;
		r = check_v2_at(signer, buf_slice(&whole), (int64_t)time(NULL), err);
	}
	if (r == ERR_FORBIDDEN)
		(void)err_add_remedy(err, remedy);
	return r < 0 ? err_wrap(err, "--sign-cert") : 0;
}

void artifact_signer_fini(struct artifact_signer *signer)
{
	pkey_free(signer->key);
	buf_fini(&signer->chain);
}

int artifact_sign(const struct artifact_signer *signer, const struct v1_release *release,
		  struct buf *ret_sig, struct err *err)
{
	if (!signer->key)
		return 0;
	return v1_sig_make(release, signer->key, buf_slice(&signer->chain), ret_sig, err);
}

/* --- sealing --- */

struct sealing {
	const struct artifact_seal *wish;
	struct io_in in;
	struct v1_seal *seal;
	struct progress progress;
	struct buf blob;
	uint8_t piece[PIECE];
};

static void sealing_free(struct sealing *sealing)
{
	if (!sealing)
		return;
	io_in_fini(&sealing->in);
	v1_seal_free(sealing->seal);
	buf_fini(&sealing->blob);
	wipe(sealing->piece, sizeof(sealing->piece));
	free(sealing);
}
MEM_DEFINE_CLEANUP(sealing)

static int begin(struct sealing *sealing, struct err *err)
{
	const struct artifact_seal *wish = sealing->wish;
	int r = io_in_open(&sealing->in, wish->in, err);

	if (r == 0)
		r = v1_seal_new(wish->key, &sealing->seal, err);
	if (r == 0)
		progress_begin(&sealing->progress, "sealing", sealing->in.size,
			       isatty(sealing->in.fd) != 1);
	return r;
}

/* Hands on what was sealed so far. */
static int hand_on(struct sealing *sealing, size_t plain, struct err *err)
{
	int r = sealing->wish->take(sealing->wish->arg, buf_slice(&sealing->blob), err);

	progress_move(&sealing->progress, plain, sealing->blob.len);
	buf_reset(&sealing->blob);
	return r;
}

static int run(struct sealing *sealing, struct err *err)
{
	size_t len = 1;
	int r = 0;

	while (r == 0 && len > 0) {
		r = io_in_read(&sealing->in, sealing->piece, PIECE, &len, err);
		if (r == 0 && len > 0)
			r = v1_seal_add(sealing->seal, slice_of(sealing->piece, len),
					&sealing->blob, err);
		else if (r == 0)
			r = v1_seal_end(sealing->seal, &sealing->blob, err);
		if (r == 0)
			r = hand_on(sealing, len, err);
	}
	return r;
}

int artifact_seal(const struct artifact_seal *seal, struct err *err)
{
	CLEANUP(sealing_cleanup) struct sealing *sealing = calloc(1, sizeof(*sealing));
	int r;

	if (!sealing)
		return err_set(err, ERR_INTERNAL, "memory is short");
	sealing->wish = seal;
	sealing->in = (struct io_in)IO_IN_INIT;
	sealing->blob = (struct buf)BUF_INIT(PIECE + V1_GROWTH);
	r = begin(sealing, err);
	if (r == 0)
		r = run(sealing, err);
	progress_end(&sealing->progress);
	return r;
}

int artifact_anchors(const char *file, struct buf *ret_der, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	int r = io_read(file, &pem, err);

	if (r == 0)
		r = x509_chain_of_pem(buf_slice(&pem), ret_der, err);
	return r < 0 ? err_wrap(err, "--anchors") : 0;
}

int artifact_fleet_key(const char *file, struct secret **ret_key, struct err *err)
{
	CLEANUP(conf_salts_cleanup) struct conf_salts *read = NULL;
	struct v1_salts salts = {.prefix = slice_of(NULL, 0)};
	int r = conf_salts_read(file, &read, err);

	if (r < 0)
		return err_wrap(err, "--salts");
	if (read->resource)
		salts.resource = secret_slice(read->resource);
	r = v1_key_resource(&salts, ret_key, err);
	return r < 0 ? err_wrap(err, "--salts") : 0;
}

/* --- what was published --- */

void artifact_signer_name(struct slice signature, char ret_subject[X509_TEXT_MAX])
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
	struct err ignored;

	ret_subject[0] = '\0';
	if (cms_signer(signature, &der, &ignored) == 0 &&
	    x509_read(buf_slice(&der), &facts, &ignored) == 0)
		memcpy(ret_subject, facts.subject, sizeof(facts.subject));
}

static int digest_all(int fd, struct hash_stream *hash, struct artifact_digest *digest,
		      struct err *err)
{
	const struct folder_file file = {.fd = fd, .size = digest->size};
	CLEANUP(buf_fini) struct buf piece = BUF_INIT(PIECE);
	struct progress progress = {.label = NULL};
	uint8_t *bytes = buf_grow(&piece, PIECE);
	int r = bytes ? 0 : err_set(err, ERR_INTERNAL, "memory is short");

	progress_begin(&progress, digest->label, digest->size, true);
	for (uint64_t at = 0; r == 0 && at < digest->size;) {
		size_t len = digest->size - at < PIECE ? (size_t)(digest->size - at) : PIECE;

		r = folder_read_at(&file, at, bytes, len, err);
		if (r == 0)
			r = hash_stream_add(hash, slice_of(bytes, len), err);
		progress_move(&progress, len, len);
		at += len;
	}
	progress_end(&progress);
	return r;
}

int artifact_digest(int fd, struct artifact_digest *digest, struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *hash = NULL;
	int r = hash_stream_new(HASH_SHA256, &hash, err);

	if (r == 0)
		r = digest_all(fd, hash, digest, err);
	return r < 0 ? r : hash_stream_end(hash, digest->sha256, err);
}

bool artifact_is_payload(const struct manifest *manifest, const struct artifact_digest *digest)
{
	return digest->size == manifest->payload_size &&
	       slice_equal(slice_of(digest->sha256, MANIFEST_DIGEST),
			   slice_of(manifest->payload_digest, MANIFEST_DIGEST));
}

int artifact_is_expired(const struct manifest *manifest, int64_t now, struct err *err)
{
	const struct floor none = {.min_format = 1};

	if (floor_judge(&none, manifest, now) != FLOOR_EXPIRED)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "the release has expired");
}

/* --- telling --- */

int artifact_print(const struct cli *cli, const struct v1_release *release, bool is_signed)
{
	CLEANUP(buf_fini) struct buf digest = BUF_INIT(2 * V1_DIGEST + 1), out = BUF_INIT(2048);
	const struct resource *resource = &release->resource;

	hex_encode(&digest, slice_of(release->seen.digest, V1_DIGEST));
	buf_put_u8(&digest, '\0');
	if (!buf_ok(&digest))
		return cli_print(cli, &digest);
	if (cli->json)
		return cli_print_object(
			cli, json_pack("{s:s%, s:s%, s:I, s:s, s:b}", "folder",
				       (const char *)resource->folder.data, resource->folder.len,
				       "name", (const char *)resource->name.data,
				       resource->name.len, "length", (json_int_t)release->seen.size,
				       "sha256", (const char *)digest.data, "signed", is_signed));
	buf_put(&out, resource->folder);
	buf_put_u8(&out, '/');
	buf_put(&out, resource->name);
	buf_printf(&out, ": %" PRIu64 " bytes, SHA-256 %s, %s\n", release->seen.size,
		   (const char *)digest.data, is_signed ? "signed" : "not signed");
	return cli_print(cli, &out);
}
