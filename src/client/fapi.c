/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI's objects on the service's socket; FAPI itself, and a TPM that was changed, on the one for
 * the administrator. Paths need no escape in a query.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/call.h"

#define PATH_MAX_LEN   255u
#define SEAL_BODY_MAX  1024u
#define OBJECT_MAX     4096u /* bytes of data in one object of FAPI */
#define OBJECTS	       "/v1/admin/fapi/objects"
#define OBJECT	       "/v1/fapi/object"
#define ADMIN_OBJECT   "/v1/admin/fapi/object"
#define ADMIN_SOCKET   "admin.sock"
#define ADMIN_PATH_MAX (CONN_PATH_MAX + 1u)

/* --- paths --- */

static bool path_is_valid(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len > PATH_MAX_LEN)
		return false;
	while (*path == '/') {
		const char *name = path + 1;

		len = strspn(name, CALL_NAME_CHARS);
		if (strspn(name, ".") == len) /* nothing, or dots alone */
			return false;
		path = name + len;
	}
	return *path == '\0';
}

static int check_path(struct hf *hf, const char *path)
{
	if (path && path_is_valid(path))
		return 0;
	return err_set(&hf->err, ERR_INVALID,
		       "a FAPI path is slashes and names of A-Z a-z 0-9 . _ -: \"/HS/SRK/name\"");
}

static int object_path(struct hf *hf, char out[CALL_PATH_MAX], const char *room, const char *path)
{
	int len;

	if (check_path(hf, path) < 0)
		return hf->err.code;
	len = snprintf(out, CALL_PATH_MAX, "%s?path=%s", room, path);
	if (len < 0 || (unsigned)len >= CALL_PATH_MAX)
		return err_set(&hf->err, ERR_INTERNAL, "a path is too long");
	return 0;
}

/* --- the service's socket --- */

int hf_fapi_unseal(struct hf *hf, const char *path, void **ret_data, size_t *ret_len)
{
	char target[CALL_PATH_MAX];
	struct call call = {
		.method = "GET",
		.path = target,
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = OBJECT_MAX,
	};
	int r;

	call_begin(hf);
	r = object_path(hf, target, OBJECT, path);
	return r < 0 ? r : call_octets(hf, &call, ret_data, ret_len);
}

/* --- the administrator's socket --- */

int hf_open_admin(const char *socket, struct hf **ret_hf)
{
	char path[ADMIN_PATH_MAX];
	const char *slash;
	struct hf *hf;
	int len, r;

	r = hf_open(socket, &hf);
	if (r < 0)
		return r;
	slash = strrchr(hf->path, '/');
	len = snprintf(path, sizeof(path), "%.*s" ADMIN_SOCKET,
		       slash ? (int)(slash - hf->path) + 1 : 0, hf->path);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		hf_close(hf);
		return HF_INVALID;
	}
	memcpy(hf->path, path, (size_t)len + 1);
	*ret_hf = hf;
	return 0;
}

int hf_fapi_probe_json(struct hf *hf, char **ret_json)
{
	return ask_order(hf, "/v1/admin/fapi/probe", ret_json);
}

int hf_fapi_provision_json(struct hf *hf, char **ret_json)
{
	return ask_order(hf, "/v1/admin/fapi/provision", ret_json);
}

int hf_tpm_accept_json(struct hf *hf, char **ret_json)
{
	return ask_order(hf, "/v1/admin/tpm/accept", ret_json);
}

int hf_fapi_seal(struct hf *hf, const char *path, const void *data, size_t len)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf body = BUF_INIT(SEAL_BODY_MAX);
	struct call call = {
		.method = "POST",
		.path = "/v1/admin/fapi/seal",
		.content_type = CALL_JSON,
		.accept = CALL_JSON,
		.answer_max = CALL_ANSWER_SPARE,
	};

	call_begin(hf);
	if (check_path(hf, path) < 0)
		return hf->err.code;
	if (len < 1 || len > HF_FAPI_SEAL_MAX)
		return err_set(&hf->err, len < 1 ? ERR_INVALID : ERR_TOO_LARGE,
			       "FAPI seals 1 to %u bytes", HF_FAPI_SEAL_MAX);
	buf_printf(&body, "{\"path\":\"%s\",\"data\":\"", path);
	base64_encode(&body, slice_of(data, len));
	buf_put_str(&body, "\"}");
	if (!buf_ok(&body))
		return err_set(&hf->err, ERR_INTERNAL, "memory is short");
	call.body = buf_slice(&body);
	return call_json(hf, &call, &answer, &json);
}

static int visit_objects(struct hf *hf, const json_t *objects, hf_name_fn visit, void *arg)
{
	size_t i;
	int r = 0;

	if (!json_is_array(objects))
		return call_unexpected(hf, "the list is missing");
	for (i = 0; r == 0 && i < json_array_size(objects); i++) {
		const char *path = json_string_value(json_array_get(objects, i));

		if (!path || !path_is_valid(path))
			return call_unexpected(hf, "a path in the list");
		r = visit(arg, path);
	}
	return r;
}

int hf_fapi_list(struct hf *hf, hf_name_fn visit, void *arg)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r;

	call_begin(hf);
	r = ask_get(hf, OBJECTS, &answer, &json);
	return r < 0 ? r : visit_objects(hf, json_object_get(json, "objects"), visit, arg);
}

int hf_fapi_delete(struct hf *hf, const char *path)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	char target[CALL_PATH_MAX];
	struct call call = {
		.method = "DELETE",
		.path = target,
		.accept = CALL_JSON,
		.answer_max = CALL_ANSWER_SPARE,
	};
	int r;

	call_begin(hf);
	r = object_path(hf, target, ADMIN_OBJECT, path);
	return r < 0 ? r : call_run(hf, &call, &answer);
}
