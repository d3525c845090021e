/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load of version 2: the artifact sees to all that comes before a byte is read (artifact.h), and
 * its payload is opened by as many chunks as a piece has, each authenticated before it is in there.
 * Another release that comes meanwhile is no matter: the payload is open, and has its key.
 */
#include "loader/load_impl.h"

#include <stdio.h>

#include "loader/fault.h"

#define SEALED_CHUNK ((size_t)STREAM_CHUNK + STREAM_TAG)
#define PIECE_CHUNKS (LOADER_PIECE / STREAM_CHUNK)
#define READ_SIZE    (PIECE_CHUNKS * SEALED_CHUNK)

_Static_assert(LOADER_PIECE % STREAM_CHUNK == 0, "a piece is whole chunks");

static const struct manifest *manifest_of(const struct loader_load *load)
{
	return artifact_manifest(load->artifact);
}

/* --- steps --- */

/* Header and place; what is missing of it shows when all is read. */
static int open_payload(struct loader_load *load, struct err *err)
{
	uint8_t header[PAYLOAD_HEADER];
	size_t len = 0;
	int r = payload_open_new(artifact_key(load->artifact), manifest_of(load), &load->payload,
				 err);

	if (r == 0)
		r = blob_read(artifact_payload(load->artifact), 0, header, sizeof(header), &len,
			      err);
	if (r == 0 && len < sizeof(header))
		r = payload_open_end(load->payload, err);
	if (r == 0)
		r = payload_open_add(load->payload, slice_of(header, len), &load->plain, err);
	return r < 0 ? r : payload_open_seek(load->payload, load->from, &load->at, err);
}

static int open_chunks(struct loader_load *load, struct err *err)
{
	CLEANUP(mem_free_cleanup) uint8_t *bytes = malloc(READ_SIZE);
	uint64_t left = manifest_of(load)->payload_size - load->at;
	size_t wanted = left < READ_SIZE ? (size_t)left : READ_SIZE;
	size_t len = 0;
	int r;

	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = blob_read(artifact_payload(load->artifact), load->at, bytes, wanted, &len, err);
	if (r == 0)
		r = payload_open_add(load->payload, slice_of(bytes, len), &load->plain, err);
	load->at += len;
	if (r == 0 && (len < wanted || load->at == manifest_of(load)->payload_size)) {
		r = payload_open_end(load->payload, err);
		load->end = true;
	}
	return r;
}

static int give(void *arg, struct err *err)
{
	struct loader_load *load = arg;
	int r = 0;

	buf_reset(&load->plain);
	if (!load->payload)
		r = open_payload(load, err);
	if (r == 0)
		r = open_chunks(load, err);
	if (r < 0)
		buf_reset(&load->plain);
	return r;
}

/* --- the loop's side --- */

/* There was no manifest, and nothing says that there has to be one. */
static bool is_none(const struct loader_load *load, int code)
{
	return !manifest_of(load) &&
	       (code == ERR_NOT_FOUND || code == FAULT_UPSTREAM || code == FAULT_NOT_LOGGED_IN);
}

/* Is it version 1 then? That it is although there is a manifest the log has to tell. */
static bool is_v1(const struct loader_load *load, const struct err *err)
{
	char text[sizeof(err->text) + 80];

	if (!load->or_v1 || is_none(load, err->code))
		return load->or_v1;
	if (!artifact_leaves_v1(load->artifact, err->code))
		return false;
	(void)snprintf(text, sizeof(text),
		       "version 1 is taken, as this device cannot use the manifest: %s", err->text);
	load_note(load, LOADER_NOTICE, text);
	return true;
}

static void on_artifact(void *arg, const struct err *err)
{
	struct loader_load *load = arg;

	if (err && is_v1(load, err)) {
		artifact_free(TAKE(load->artifact));
		load_begin(load, &load_v1);
		return;
	}
	load->task.priority = JOB_BULK;
	load_finish(load, err);
}

static int begin(struct loader_load *load, struct err *err)
{
	const struct artifact_wish wish = {
		.resource = &load->resource,
		.need = load->only_bytes ? ARTIFACT_FILE : ARTIFACT_FILE_OR_NAMES,
		.done = on_artifact,
		.arg = load,
	};

	return artifact_new(load->loader, &wish, &load->artifact, err);
}

static uint64_t size_of(const struct loader_load *load)
{
	return manifest_of(load)->plain_size;
}

static int seek(struct loader_load *load, uint64_t from, struct err *err)
{
	if (from > manifest_of(load)->plain_size)
		return err_set(err, ERR_INVALID, "it ends before that byte");
	load->from = from;
	return 0;
}

const struct load_source load_v2 = {
	.begin = begin,
	.size = size_of,
	.seek = seek,
	.give = give,
};
