/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is given out of version 2 with the API: manifests to users, device keys to devices. The
 * table of sessions is the loop's, files and keys are the pool's: an op takes a copy of the one
 * there and brings back what is to be noted here.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "artifact/device_key.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/cms.h"
#include "origin/challenge.h"
#include "origin/device_file.h"
#include "origin/impl.h"

#define ANSWER_MAX (2 * DUPLICATE_PART_MAX * 3)
#define NO_SESSION 428u /* RFC 6585, 3 */

static const char JSON[] = "application/json";

/* With a word that the client can tell cases by. */
static void answer_code(struct http_request *request, unsigned status, const char *code,
			const char *detail)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(1024);

	buf_printf(&body, "{\"code\":\"%s\",\"detail\":", code);
	json_put_string(&body, detail);
	buf_put_u8(&body, '}');
	http_answer_bytes(request, status, JSON, buf_slice(&body));
}

/* --- the manifest --- */

struct path {
	char folder[HTTP_SEGMENT_MAX + 1];
	char file[RESOURCE_FILE_MAX + 1];
};

static int read_path(const struct http_request *request, struct path *path, struct err *err)
{
	const char *folder = http_request_segment(request, 0);
	const char *name = http_request_segment(request, 1);
	int r = folder_check_artifact(folder, name, err);

	(void)snprintf(path->folder, sizeof(path->folder), "%s", folder);
	return r < 0 ? r : resource_file(slice_str(name), RESOURCE_MANIFEST, path->file, err);
}

struct manifest_op {
	struct op op;
	struct path path;
	struct buf bytes;
};

static void manifest_fini(struct op *op)
{
	buf_fini(&((struct manifest_op *)op)->bytes);
}

static int manifest_step(void *arg, struct err *err)
{
	struct manifest_op *op = arg;

	return folder_read(op->op.origin->dir, op->path.folder, op->path.file, &op->bytes, err);
}

static void manifest_answer(struct op *op)
{
	http_answer_bytes(op_answer(op), 200, "application/cms",
			  buf_slice(&((struct manifest_op *)op)->bytes));
}

void v2_manifest(struct http_request *request, void *app)
{
	struct manifest_op *op;
	struct err err;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	op = calloc(1, sizeof(*op));
	if (!op_begin(op ? &op->op : NULL, app, request, manifest_fini))
		return;
	op->bytes = (struct buf)BUF_INIT(CMS_WHOLE_MAX);
	op_enter(&op->op);
	if (read_path(request, &op->path, &err) < 0)
		op_fail(&op->op, &err);
	else
		op_run(&op->op, manifest_step, manifest_answer);
	op_leave(&op->op);
}

/* --- a device's session --- */

struct session_op {
	struct op op;
	struct challenge_wish wish;
	struct challenge challenge;
	enum refusal refusal;
	struct err why;
	uint8_t digest[DEVICE_DIGEST];
	struct buf answer;
};

static void session_fini(struct op *op)
{
	struct session_op *session = (struct session_op *)op;

	challenge_wish_fini(&session->wish);
	challenge_fini(&session->challenge);
	buf_fini(&session->answer);
}

static int judge(struct session_op *session, struct err *err)
{
	const struct origin *origin = session->op.origin;
	struct challenge *challenge = &session->challenge;
	struct device_file file;
	struct challenge_trust trust = {
		.ek_anchors = origin->config.ek_anchors,
		.ek_names = origin->config.ek_names,
	};
	int r = challenge_begin(&session->wish, challenge, &session->refusal, err);

	if (r < 0)
		return r;
	r = device_file_read(origin->dir, challenge->device.name, &file, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	trust.file = r == 0 ? &file : NULL;
	return challenge_judge(&session->wish, &trust, challenge, &session->refusal, err);
}

static int session_step(void *arg, struct err *err)
{
	struct session_op *session = arg;
	int r = judge(session, err);

	if (r < 0 && session->refusal) {
		session->why = *err;
		return 0;
	}
	return r < 0 ? r
		     : challenge_put(&session->challenge, &session->answer, session->digest, err);
}

static void session_answer(struct op *op)
{
	struct session_op *session = (struct session_op *)op;
	const struct device *device = &session->challenge.device;
	const char *code = refusal_name(session->refusal);
	char name[WRAP_NAME_HEX];
	struct err err;

	wrap_name_hex(device->name, name);
	if (session->refusal) {
		origin_note(op->origin, "device %s refused: %s, %s", name, code, session->why.text);
		answer_code(op_answer(op), 403, code, session->why.text);
	} else if (devices_begin(op->origin->devices, device, session->digest, clock_monotonic_us(),
				 &err) < 0) {
		op_fail(op, &err);
	} else {
		http_answer_bytes(op_answer(op), 200, JSON, buf_slice(&session->answer));
	}
}

static void session_run(struct session_op *session)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct err err;

	if (json_parse(http_request_body(session->op.request), &body, &err) < 0 ||
	    challenge_wish_read(body, &session->wish, &err) < 0)
		op_fail(&session->op, &err);
	else
		op_run(&session->op, session_step, session_answer);
}

void v2_session(struct http_request *request, void *app)
{
	struct session_op *session;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	session = calloc(1, sizeof(*session));
	if (!op_begin(session ? &session->op : NULL, app, request, session_fini))
		return;
	session->wish = (struct challenge_wish)CHALLENGE_WISH_INIT;
	session->challenge.device.user = user;
	session->answer = (struct buf)BUF_INIT(ANSWER_MAX);
	op_enter(&session->op);
	session_run(session);
	op_leave(&session->op);
}

/* --- a device's key --- */

enum found { FOUND, NO_KEY, NO_DEVICE, OTHER_EK };

struct key_op {
	struct op op;
	char folder[HTTP_SEGMENT_MAX + 1];
	char file[RESOURCE_FILE_MAX + 1];
	uint8_t digest[DEVICE_DIGEST];
	struct device device;
	bool enrolled; /* now */
	enum found found;
	struct buf line;
};

static void key_fini(struct op *op)
{
	buf_fini(&((struct key_op *)op)->line);
}

/* The secret has come back: what the public area says is proven. */
static int enrol(struct key_op *key, struct device_file *file, struct err *err)
{
	const struct device *device = &key->device;
	int r;

	*file = (struct device_file){
		.in_tpm = true, .has_ek = true, .enrolled = (uint64_t)time(NULL)};
	memcpy(file->name, device->name, WRAP_NAME_SIZE);
	memcpy(file->ek_name, device->ek_name, WRAP_NAME_SIZE);
	r = device_file_add(key->op.origin->dir, file, slice_of(device->area, device->area_len),
			    err);
	/* It came twice at once. */
	if (r == ERR_CONFLICT)
		return device_file_read(key->op.origin->dir, device->name, file, err);
	key->enrolled = r == 0;
	return r;
}

/* Its file is looked at each time, so that who takes it away, or refuses it, takes the device away
 * at once. */
static int look_at_device(struct key_op *key, struct err *err)
{
	const struct device *device = &key->device;
	struct device_file file;
	int r = device_file_read(key->op.origin->dir, device->name, &file, err);

	if (r == ERR_NOT_FOUND && device->area_len > 0)
		r = enrol(key, &file, err);
	if (r == ERR_NOT_FOUND || (r == 0 && file.refused)) {
		key->found = NO_DEVICE;
		return 0;
	}
	if (r < 0)
		return r;
	if (device->has_ek && file.has_ek && !device_names_equal(device->ek_name, file.ek_name))
		key->found = OTHER_EK;
	return 0;
}

static int read_keys(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		     struct err *err)
{
	const struct folder_file *file = arg;
	uint64_t left = at < file->size ? file->size - at : 0;
	size_t part = left < len ? (size_t)left : len;
	int r = folder_read_at(file, at, ret_bytes, part, err);

	if (r == 0)
		*ret_len = part;
	return r;
}

static int find_key(struct key_op *key, struct err *err)
{
	struct folder_file file = {.fd = -1};
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct device_keys keys = {.read = read_keys, .arg = &file};
	char name[WRAP_NAME_HEX];
	int r = folder_open(key->op.origin->dir, key->folder, key->file, &file, err);

	fd = file.fd;
	keys.size = file.size;
	wrap_name_hex(key->device.name, name);
	if (r == 0)
		r = device_keys_find(&keys, name, &key->line, err);
	if (r == ERR_DAMAGED)
		return err_set(err, ERR_UNREADABLE, "the keys of this release are damaged");
	if (r == ERR_NOT_FOUND)
		key->found = NO_KEY;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int key_step(void *arg, struct err *err)
{
	struct key_op *key = arg;
	int r = look_at_device(key, err);

	return r < 0 || key->found != FOUND ? r : find_key(key, err);
}

static void answer_no_session(struct http_request *request)
{
	answer_code(request, NO_SESSION, "device_session",
		    "no such session of a device, or it is over");
}

static void key_answer(struct op *op)
{
	struct key_op *key = (struct key_op *)op;
	struct devices *devices = op->origin->devices;
	char name[WRAP_NAME_HEX];

	wrap_name_hex(key->device.name, name);
	if (key->found == NO_DEVICE || key->found == OTHER_EK)
		devices_end(devices, key->digest);
	else
		devices_confirm(devices, key->digest, clock_monotonic_us());
	if (key->enrolled)
		origin_note(op->origin, "device %s enrolled", name);
	if (key->found == OTHER_EK)
		origin_note(op->origin, "device %s refused: it is known by another endorsement key",
			    name);
	if (key->found == NO_KEY)
		answer_code(op_answer(op), 404, "no_device_key",
			    "this release was not wrapped for this device");
	else if (key->found == FOUND)
		http_answer_bytes(op_answer(op), 200, JSON, buf_slice(&key->line));
	else
		answer_no_session(op_answer(op));
}

static int key_read(struct key_op *key, struct err *err)
{
	const struct http_request *request = key->op.request;
	const char *hex = http_request_query(request, "manifest");
	struct path path;
	uint8_t digest[MANIFEST_DIGEST];
	int r = read_path(request, &path, err);

	if (r < 0)
		return r;
	if (!hex || strlen(hex) != MANIFEST_DIGEST_HEX - 1 ||
	    !hex_decode(slice_str(hex), digest, sizeof(digest)))
		return err_set(err, ERR_INVALID, "manifest: not a digest in hex");
	memcpy(key->folder, path.folder, sizeof(key->folder));
	return resource_file(slice_str(hex), RESOURCE_KEYS, key->file, err);
}

static void key_run(struct key_op *key)
{
	struct op *op = &key->op;
	const char *text = http_request_header(op->request, DEVICE_HEADER);
	struct err err;

	if (key_read(key, &err) < 0 ||
	    device_digest(slice_str(text ? text : ""), key->digest, &err) < 0)
		op_fail(op, &err);
	else if (!devices_find(op->origin->devices, key->digest, clock_monotonic_us(),
			       &key->device))
		answer_no_session(op_answer(op));
	else
		op_run(op, key_step, key_answer);
}

void v2_key(struct http_request *request, void *app)
{
	struct key_op *key;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	key = calloc(1, sizeof(*key));
	if (!op_begin(key ? &key->op : NULL, app, request, key_fini))
		return;
	key->line = (struct buf)BUF_INIT(DEVICE_KEY_LINE_MAX);
	op_enter(&key->op);
	key_run(key);
	op_leave(&key->op);
}
