/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/files_text.h"

#include <inttypes.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/tpm_range.h"
#include "crypto/certificate.h"
#include "crypto/x509.h"
#include "identity/files.h"

int text_damaged(int r, struct err *err)
{
	if (r != ERR_INVALID && r != ERR_TOO_LARGE)
		return r;
	err->code = ERR_DAMAGED;
	return ERR_DAMAGED;
}

int text_parse(struct slice text, struct json_t **ret_object, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	uint64_t version = 0;
	int r = json_parse(text, &object, err);

	if (r == 0)
		r = json_get_u64(object, "version", true, 1, INT64_MAX, &version, err);
	if (r < 0)
		return text_damaged(r, err);
	if (version != TEXT_VERSION)
		return err_set(err, ERR_UNREADABLE, "it was written by a later version");
	*ret_object = TAKE(object);
	return 0;
}

int text_get_line(const struct json_t *object, const char *name, char *ret_text, size_t size,
		  struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(object, name, true, &text, err);

	if (r < 0)
		return r;
	for (size_t i = 0; text[i] != '\0'; i++)
		if (i + 1 >= size || text[i] < ' ' || text[i] > '~')
			return err_set(err, ERR_INVALID, "/%s: not a short line", name);
	memset(ret_text, 0, size);
	memcpy(ret_text, text, strlen(text));
	return 0;
}

int text_get_hex(const struct json_t *object, const char *name, uint8_t *ret_bytes, size_t max,
		 size_t *ret_len, struct err *err)
{
	const char *text = NULL;
	size_t len;
	int r = json_get_string(object, name, true, &text, err);

	if (r < 0)
		return r;
	len = strlen(text) / 2;
	if (len > max || !hex_decode(slice_str(text), ret_bytes, len))
		return err_set(err, ERR_INVALID, "/%s: not hexadecimal of at most %zu bytes", name,
			       max);
	*ret_len = len;
	return 0;
}

int text_get_handle(const struct json_t *object, const char *name, bool may_be_zero,
		    uint32_t *ret_handle, struct err *err)
{
	uint64_t value = 0;
	int r = json_get_u64(object, name, true, 0, TPM_OWNER_LAST, &value, err);

	if (r < 0)
		return r;
	if (!tpm_is_owners((uint32_t)value) && !(value == 0 && may_be_zero))
		return err_set(err, ERR_INVALID, "/%s: not a persistent handle", name);
	*ret_handle = (uint32_t)value;
	return 0;
}

void text_put_number(struct buf *buf, const char *name, uint64_t value)
{
	buf_printf(buf, ",\"%s\":%" PRIu64, name, value);
}

void text_put_bool(struct buf *buf, const char *name, bool value)
{
	buf_printf(buf, ",\"%s\":%s", name, value ? "true" : "false");
}

void text_put_line(struct buf *buf, const char *name, const char *value)
{
	buf_printf(buf, ",\"%s\":", name);
	json_put_string(buf, value);
}

void text_put_hex(struct buf *buf, const char *name, struct slice value)
{
	buf_printf(buf, ",\"%s\":\"", name);
	hex_encode(buf, value);
	buf_put_str(buf, "\"");
}

void text_put_base64(struct buf *buf, const char *name, struct slice value)
{
	buf_printf(buf, ",\"%s\":\"", name);
	base64_encode(buf, value);
	buf_put_str(buf, "\"");
}

bool text_chain_ok(struct slice chain)
{
	size_t count = 0;

	while (chain.len > 0) {
		size_t len = certificate_len(chain);

		if (len == 0 || len > X509_MAX || ++count > X509_CHAIN_MAX)
			return false;
		chain = slice_of(chain.data + len, chain.len - len);
	}
	return true;
}
