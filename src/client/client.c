/* SPDX-License-Identifier: Apache-2.0 */
/* The handle: opening, closing, and what it remembers of the last call. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "client/call.h"

int hf_open(const char *socket, struct hf **ret_hf)
{
	struct hf *hf;

	if (!socket)
		socket = secure_getenv("HOLDFAST_SOCKET");
	if (!socket)
		socket = HF_SOCKET_DEFAULT;
	if (socket[0] == '\0' || strlen(socket) > CONN_PATH_MAX)
		return HF_INVALID;
	hf = calloc(1, sizeof(*hf));
	if (!hf)
		return HF_INTERNAL;
	memcpy(hf->path, socket, strlen(socket) + 1);
	hf->conn = (struct conn)CONN_INIT;
	hf->timeout_ms = HF_TIMEOUT_MS_DEFAULT;
	hf->protection = "";
	hf->kept = (struct buf)BUF_INIT(CALL_KEPT_MAX);
	*ret_hf = hf;
	return 0;
}

void hf_close(struct hf *hf)
{
	if (!hf)
		return;
	conn_close(&hf->conn);
	buf_fini(&hf->kept);
	free(hf);
}

void hf_set_timeout_ms(struct hf *hf, unsigned timeout_ms)
{
	hf->timeout_ms = timeout_ms > 0 ? timeout_ms : HF_TIMEOUT_MS_DEFAULT;
}

const char *hf_socket(const struct hf *hf)
{
	return hf->path;
}

int hf_error_code(const struct hf *hf)
{
	return hf->err.code;
}

const char *hf_error_text(const struct hf *hf)
{
	return hf->err.text;
}

const char *hf_error_remedy(const struct hf *hf)
{
	return hf->err.code < 0 ? err_remedy(&hf->err) : "";
}

const char *hf_protection(const struct hf *hf)
{
	return hf->protection;
}

const char *hf_answer_json(const struct hf *hf)
{
	return hf->err.code == 0 && hf->kept.len > 0 ? (const char *)hf->kept.data : "";
}
