/* SPDX-License-Identifier: Apache-2.0 */

/* JSON, one flat object: an administrator may read it, and a later version may add members. */

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "provider/tpm/impl.h"

#define RECORD_VERSION 1u

static void put_hex(struct buf *buf, const char *name, struct slice bytes)
{
	buf_printf(buf, ",\"%s\":\"", name);
	hex_encode(buf, bytes);
	buf_put_str(buf, "\"");
}

static void put_base64(struct buf *buf, const char *name, struct slice bytes)
{
	buf_printf(buf, ",\"%s\":\"", name);
	base64_encode(buf, bytes);
	buf_put_str(buf, "\"");
}

int tpm_record_write(const struct engine_roots *roots, struct buf *ret_text, struct err *err)
{
	buf_printf(ret_text, "{\"version\":%u,\"srk_handle\":%u", RECORD_VERSION,
		   roots->srk_handle);
	put_hex(ret_text, "srk_name", slice_of(roots->srk.bytes, roots->srk.len));
	put_hex(ret_text, "hsk_name", slice_of(roots->hsk.bytes, roots->hsk.len));
	put_base64(ret_text, "hsk_public", slice_of(roots->hsk_public, roots->hsk_public_len));
	put_base64(ret_text, "hsk_private", slice_of(roots->hsk_private, roots->hsk_private_len));
	buf_put_str(ret_text, "}\n");
	if (!buf_ok(ret_text))
		return err_set(err, ERR_INTERNAL, "the TPM's record does not fit");
	return 0;
}

static int get_name(const struct json_t *json, const char *member, struct engine_name *ret_name,
		    struct err *err)
{
	const char *text = NULL;
	size_t len;
	int r = json_get_string(json, member, true, &text, err);

	if (r < 0)
		return r;
	len = strlen(text) / 2;
	if (len < 2 || len > sizeof(ret_name->bytes) ||
	    !hex_decode(slice_str(text), ret_name->bytes, len))
		return err_set(err, ERR_DAMAGED, "/%s: no Name", member);
	ret_name->len = len;
	return 0;
}

static int get_bytes(const struct json_t *json, const char *member, uint8_t *ret_bytes, size_t max,
		     size_t *ret_len, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(max);
	int r = json_get_bytes(json, member, true, &bytes, err);

	if (r < 0)
		return r;
	if (!bytes.len)
		return err_set(err, ERR_DAMAGED, "/%s: empty", member);
	memcpy(ret_bytes, bytes.data, bytes.len);
	*ret_len = bytes.len;
	return 0;
}

static int record_read(const struct json_t *json, struct engine_roots *roots, struct err *err)
{
	uint64_t version = 0, handle = 0;
	int r;

	r = json_get_u64(json, "version", true, RECORD_VERSION, RECORD_VERSION, &version, err);
	if (r == 0)
		r = json_get_u64(json, "srk_handle", true, 0x81000000u, 0x81ffffffu, &handle, err);
	if (r == 0)
		r = get_name(json, "srk_name", &roots->srk, err);
	if (r == 0)
		r = get_name(json, "hsk_name", &roots->hsk, err);
	if (r == 0)
		r = get_bytes(json, "hsk_public", roots->hsk_public, sizeof(roots->hsk_public),
			      &roots->hsk_public_len, err);
	if (r == 0)
		r = get_bytes(json, "hsk_private", roots->hsk_private, sizeof(roots->hsk_private),
			      &roots->hsk_private_len, err);
	roots->srk_handle = (uint32_t)handle;
	return r;
}

int tpm_record_parse(struct slice text, struct engine_roots *ret_roots, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct engine_roots roots = {0};
	int r = json_parse(text, &json, err);

	if (r == 0)
		r = record_read(json, &roots, err);
	/* A lack of memory says nothing about the record. */
	if (r < 0 && r != ERR_INTERNAL)
		err->code = ERR_DAMAGED;
	if (r < 0)
		return err_wrap(err, "the record of the TPM");
	*ret_roots = roots;
	return 0;
}
