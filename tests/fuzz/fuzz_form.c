/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Forms: the first byte says how long the slices are that the rest comes in, up to the first NUL
 * stands a Content-Type. What is read must not depend on the slices; ranges take the type's place.
 */

#include <string.h>

#include "base/buf.h"
#include "http/form.h"
#include "http/impl.h"
#include "tests/fuzz/fuzz.h"

/* All that was given, in one text, and how it ended. */
static int read_form(const char *type, struct slice form, size_t step, struct buf *text)
{
	struct http_form_reader reader;
	struct err err = {0};
	size_t at, len;
	int r = http_form_begin(&reader, type, &err);

	for (at = 0; r == 0 && at < form.len; at += len) {
		struct slice rest = slice_of(form.data + at, 0);
		struct http_form_piece piece;

		len = form.len - at < step ? form.len - at : step;
		rest.len = len;
		while ((r = http_form_read(&reader, &rest, &piece, &err)) > 0) {
			FUZZ_REQUIRE(reader.parts > 0 && reader.parts <= HTTP_FORM_PARTS);
			FUZZ_REQUIRE(piece.first || piece.bytes.len > 0);
			FUZZ_REQUIRE(reader.name[0] != '\0');
			FUZZ_REQUIRE(http_is_utf8(slice_str(reader.name)));
			FUZZ_REQUIRE(!reader.has_file || http_is_utf8(slice_str(reader.file)));
			if (piece.first)
				buf_printf(text, "\n[%s|%s]", reader.name,
					   reader.has_file ? reader.file : "");
			buf_put(text, piece.bytes);
		}
		FUZZ_REQUIRE(r < 0 || rest.len == 0);
	}
	FUZZ_REQUIRE(r == err.code);
	return r == 0 ? http_form_whole(&reader) : r;
}

static void check_range(const char *text)
{
	static const uint64_t TOTALS[] = {0, 1, 1000, UINT64_MAX};
	size_t i;

	for (i = 0; i < sizeof(TOTALS) / sizeof(TOTALS[0]); i++) {
		struct http_range range;

		if (!http_range_parse(text, NULL, NULL, TOTALS[i], &range))
			continue;
		FUZZ_REQUIRE(range.length <= TOTALS[i]);
		FUZZ_REQUIRE(range.first <= TOTALS[i] - range.length);
		FUZZ_REQUIRE(!range.part || range.length > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(1u << 20);
	CLEANUP(buf_fini) struct buf sliced = BUF_INIT(1u << 20);
	char type[256];
	size_t len, step;
	int r;

	if (size < 2)
		return 0;
	step = data[0] % 17u + 1;
	len = strnlen((const char *)data + 1, size - 1);
	if (len == size - 1 || len >= sizeof(type))
		return 0;
	memcpy(type, data + 1, len + 1);
	check_range(type);
	data += len + 1;
	size -= len + 1;
	r = read_form(type, slice_of(data + 1, size - 1), size, &whole);
	FUZZ_REQUIRE(read_form(type, slice_of(data + 1, size - 1), step, &sliced) == r);
	/* What came before a failure may have been given by another piece, or not yet. */
	FUZZ_REQUIRE(r < 0 || slice_equal(buf_slice(&whole), buf_slice(&sliced)));
	return 0;
}
