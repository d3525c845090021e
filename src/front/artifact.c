/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts of version 2: read as a file, all or a range of it, or made to be there. An archive of
 * images is never read here: the engine gets it, and only whole.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "artifact/resource.h"
#include "base/json.h"
#include "front/impl.h"

#define RANGE_TEXT 96u
#define ETAG_SIZE  (MANIFEST_DIGEST_HEX + 2)

/* --- GET --- */

/* RFC 9110, 15.5.17. */
static void refuse_range(struct front_send *send, uint64_t size)
{
	static const char BODY[] =
		"{\"detail\":\"the artifact has no such range\",\"code\":\"invalid\"}";
	struct http_request *request = front_send_end(send);
	char text[RANGE_TEXT];

	(void)snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
	http_request_add_header(request, "Content-Range", text);
	http_answer_bytes(request, 416, "application/json", slice_str(BODY));
}

static void print_etag(const struct manifest *manifest, char ret_etag[ETAG_SIZE])
{
	char hex[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, hex);
	(void)snprintf(ret_etag, ETAG_SIZE, "\"%s\"", hex);
}

static void send_range(struct front_send *send, const struct http_range *range, const char *etag)
{
	struct http_request *request = send->request;
	char text[RANGE_TEXT];
	struct err err;

	if (range->part && loader_load_seek(send->load, range->first, &err) < 0) {
		front_send_fail(send, &err);
		return;
	}
	http_request_add_header(request, "Accept-Ranges", "bytes");
	http_request_add_header(request, "ETag", etag);
	if (range->part) {
		(void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
			       range->first, range->first + range->length - 1,
			       loader_load_size(send->load));
		http_request_add_header(request, "Content-Range", text);
	}
	front_send_go(send, range);
}

static void send_file(struct front_send *send)
{
	const struct manifest *manifest = loader_load_manifest(send->load);
	struct http_range range;
	char etag[ETAG_SIZE];
	struct err err;

	if (manifest->type != MANIFEST_FILE) {
		(void)err_set(&err, ERR_INVALID,
			      "it is an archive of images, which the engine gets alone (POST)");
		front_send_fail(send, &err);
		return;
	}
	print_etag(manifest, etag);
	if (http_request_range(send->request, manifest->plain_size, etag, &range))
		send_range(send, &range, etag);
	else
		refuse_range(send, manifest->plain_size);
}

void front_artifact_get(struct http_request *request, void *app)
{
	static const struct front_wish WISH = {.ask = loader_artifact, .ready = send_file};
	struct resource resource;
	struct err err;

	if (front_query_resource(request, &resource, &err) < 0 ||
	    resource_check_artifact(&resource, &err) < 0 ||
	    front_send_begin(request, app, &resource, &WISH, &err) < 0)
		http_answer_error(request, &err);
}

/* --- POST --- */

static json_t *facts(const struct manifest *manifest)
{
	char hex[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, hex);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:s, s:s}", "folder",
			 manifest->folder, "name", manifest->name, "type",
			 manifest_type_name(manifest->type), "version", manifest->version, "serial",
			 (json_int_t)manifest->serial, "expires",
			 manifest->expires == 0 ? json_null() : json_integer(manifest->expires),
			 "size", (json_int_t)manifest->plain_size, "manifest", hex, "protection",
			 manifest_protection_name(manifest->protection));
}

static void give_images(struct front_send *send, const struct manifest *manifest)
{
	struct front *front = send->front;
	char folder[sizeof(manifest->folder)], name[sizeof(manifest->name)];
	struct resource resource;

	/* Those of the manifest are gone with the load. */
	(void)snprintf(folder, sizeof(folder), "%s", manifest->folder);
	(void)snprintf(name, sizeof(name), "%s", manifest->name);
	resource = (struct resource){.folder = slice_str(folder), .name = slice_str(name)};
	front_images(front_send_end(send), front, &resource);
}

static void tell_facts(struct front_send *send)
{
	const struct manifest *manifest = loader_load_manifest(send->load);
	json_t *json;

	if (manifest->type != MANIFEST_FILE) {
		give_images(send, manifest);
		return;
	}
	json = facts(manifest);
	front_answer(front_send_end(send), json);
}

/* Texts are borrowed from @body and the request. */
static int read_resource(const struct http_request *request, const struct json_t *body,
			 struct resource *ret_resource, struct err *err)
{
	const char *folder = FRONT_FOLDER;
	int r = json_get_string(body, "folder", false, &folder, err);

	if (r < 0)
		return r;
	*ret_resource = (struct resource){
		.folder = slice_str(folder),
		.name = slice_str(http_request_segment(request, 0)),
	};
	return resource_check_artifact(ret_resource, err);
}

static int begin(struct http_request *request, struct front *front, struct err *err)
{
	static const struct front_wish WISH = {.ask = loader_artifact, .ready = tell_facts};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct resource resource;
	int r;

	r = front_body(request, &body, err);
	if (r == 0)
		r = read_resource(request, body, &resource, err);
	return r < 0 ? r : front_send_begin(request, front, &resource, &WISH, err);
}

void front_artifact_post(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, &err) < 0)
		http_answer_error(request, &err);
}
