/* SPDX-License-Identifier: Apache-2.0 */
/* Which manifest counts: of the API, the cache and import_dir; signature, floor, expiry. */
#include "loader/artifact_impl.h"

#include "crypto/cms.h"
#include "loader/blob.h"
#include "loader/fault.h"
#include "loader/stick.h"

/* --- steps: the manifest --- */

/* Whatever it is that does not fit, it is not signed for this name by who may sign. */
static int verify(const struct artifact *artifact, struct slice whole,
		  struct manifest **ret_manifest, struct err *err)
{
	const struct manifest_trust trust = {artifact->config->manifest_anchors, blob_time()};
	int r = manifest_open(whole, &artifact->resource, &trust, ret_manifest, err);

	if (r == ERR_DAMAGED || r == ERR_FORBIDDEN || r == ERR_WRONG_NAME)
		return err->code = FAULT_SIGNATURE;
	return r;
}

static int keep(struct artifact *artifact, const struct buf *whole, struct manifest *manifest,
		struct err *err)
{
	manifest_free(artifact->manifest);
	artifact->manifest = manifest;
	buf_reset(&artifact->whole);
	buf_put(&artifact->whole, buf_slice(whole));
	return buf_ok(&artifact->whole) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int judge(struct artifact *artifact, const struct manifest *manifest, struct err *err)
{
	struct floor floor;
	int r = cache_floor(artifact->cache, &artifact->resource, &floor, err);

	if (r < 0)
		return r;
	switch (floor_judge(&floor, manifest, blob_time())) {
	case FLOOR_TAKE:
		artifact->leaves_v1 = floor_allows_v1(&floor) && manifest->min_format < 2;
		return manifest->min_format > floor.min_format
			       ? cache_raise_format(artifact->cache, &artifact->resource,
						    manifest->min_format, err)
			       : 0;
	case FLOOR_EXPIRED:
		return err_set(err, FAULT_EXPIRED, "the newest release of it has expired");
	case FLOOR_ROLLED_BACK:
		break;
	}
	return err_set(err, FAULT_ROLLED_BACK, "a newer release of it was here before");
}

/* Made for a newer loader: signed all the same, and so is what it says of version 1. */
static int judge_unsupported(struct artifact *artifact, struct slice whole, struct err *err)
{
	const struct manifest_trust trust = {artifact->config->manifest_anchors, blob_time()};
	CLEANUP(manifest_cleanup) struct manifest *outline = NULL;
	struct err own;

	if (manifest_open_outline(whole, &artifact->resource, &trust, &outline, &own) == 0 &&
	    judge(artifact, outline, &own) < 0)
		*err = own;
	return err->code;
}

/* What the API gave; where it does not answer what the cache has. Else err is why there is none. */
static int find_own(struct artifact *artifact, struct err *err)
{
	CLEANUP(buf_fini) struct buf cached = BUF_INIT(CMS_WHOLE_MAX);
	struct manifest *manifest = NULL;
	const struct buf *whole = &artifact->given;
	int r = 0;

	if (artifact->no_answer.code) {
		whole = &cached;
		r = ERR_NOT_FOUND;
		if (artifact->no_answer.code != ERR_NOT_FOUND)
			r = cache_manifest(artifact->cache, &artifact->resource, &cached, err);
		if (r == ERR_NOT_FOUND)
			*err = artifact->no_answer;
	}
	if (r == 0)
		r = verify(artifact, buf_slice(whole), &manifest, err);
	if (r == ERR_NOT_SUPPORTED)
		return judge_unsupported(artifact, buf_slice(whole), err);
	return r < 0 ? err->code : keep(artifact, whole, manifest, err);
}

/* A medium with a release that is no newer, or is none, is passed over. */
static int find_on_stick(struct artifact *artifact, struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	struct err why;
	int r = stick_manifest(artifact->config->import_dir, &artifact->resource, &whole, &why);

	if (r == 0)
		r = verify(artifact, buf_slice(&whole), &manifest, &why);
	if (r < 0 && r != ERR_NOT_FOUND)
		artifact_note(artifact, LOADER_NOTICE, "the manifest in import_dir is not taken",
			      &why);
	if (!manifest || (artifact->manifest && artifact->manifest->serial >= manifest->serial))
		return 0;
	return keep(artifact, &whole, TAKE(manifest), err);
}

static int choose(struct artifact *artifact, struct err *err)
{
	struct err own = {.code = 0};
	int r = find_own(artifact, &own);

	if (r == ERR_INTERNAL) {
		*err = own;
		return r;
	}
	r = find_on_stick(artifact, err);
	if (r < 0 || artifact->manifest)
		return r;
	*err = own;
	return own.code;
}

int artifact_find_manifest(struct artifact *artifact, struct err *err)
{
	int r = choose(artifact, err);

	return r < 0 ? r : judge(artifact, artifact->manifest, err);
}
