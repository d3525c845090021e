/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-origin/ek_file.h"

#include "base/base64.h"
#include "cmd/holdfast-origin/lines.h"
#include "conf/text.h"
#include "crypto/x509.h"
#include "wrap/public.h"

_Static_assert(EK_FILE_NAMES *(WRAP_NAME_HEX + 1u) <= EK_FILE_MAX, "a full list can be read");

static int add_name(struct slice line, struct buf *names, struct err *err)
{
	uint8_t name[WRAP_NAME_SIZE];

	if (line.len != WRAP_NAME_HEX - 1 || !hex_decode(line, name, sizeof(name)) ||
	    name[0] != 0x00 || name[1] != 0x0b)
		return err_set(err, ERR_INVALID, "no Name with SHA-256, 68 hex digits (000b..)");
	buf_put(names, slice_of(name, sizeof(name)));
	return buf_ok(names) ? 0 : err_set(err, ERR_TOO_LARGE, "there are too many Names");
}

int ek_file_parse(struct slice text, struct buf *ret_names, struct err *err)
{
	const size_t before = ret_names->len;
	struct slice line;
	unsigned number = 0;

	while (lines_next(&text, &number, &line))
		if (add_name(line, ret_names, err) < 0)
			return err_wrap(err, "line %u", number);
	return ret_names->len > before ? 0 : err_set(err, ERR_INVALID, "there are no Names");
}

int ek_file_read(const char *path, struct buf *ret_names, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(EK_FILE_MAX + 1);
	int r = text_read(path, TEXT_OURS, &text, err);

	if (r == 0 && text.len > EK_FILE_MAX)
		r = err_set(err, ERR_TOO_LARGE, "the file is over %u bytes", EK_FILE_MAX);
	return r < 0 ? r : ek_file_parse(buf_slice(&text), ret_names, err);
}

int ek_anchors_read(const char *path, struct buf *ret_der, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX + 1);
	int r = text_read(path, TEXT_OURS, &pem, err);

	return r < 0 ? r : x509_list_of_pem(buf_slice(&pem), X509_ANCHORS_MAX, ret_der, err);
}
