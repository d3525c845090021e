/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of forms, fed whole and byte by byte: what it gives must not depend on that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/form.h"

#define TYPE	   "multipart/form-data; boundary=B"
#define PART(name) "--B\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"
#define END	   "\r\n--B--\r\n"
#define A32	   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A64	   A32 A32
#define A256	   A64 A64 A64 A64
#define A1024	   A256 A256 A256 A256

/*
 * Reads all of @form in slices of @step bytes (0: in one): "[name|file]content" of each part goes
 * into @text. Each slice is a copy that is no longer there when the next one is read.
 */
static int read_form(const char *type, struct slice form, size_t step, struct buf *text)
{
	struct http_form_reader reader;
	struct err err = {.code = 0};
	size_t at, len;
	int r = http_form_begin(&reader, type, &err);

	for (at = 0; r == 0 && at < form.len; at += len) {
		uint8_t *copy;
		struct slice rest;
		struct http_form_piece piece;

		len = step == 0 || form.len - at < step ? form.len - at : step;
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, form.data + at, len);
		rest = slice_of(copy, len);
		while ((r = http_form_read(&reader, &rest, &piece, &err)) > 0) {
			assert_true(piece.first || piece.bytes.len > 0);
			if (piece.first)
				buf_printf(text, "[%s|%s]", reader.name,
					   reader.has_file ? reader.file : "-");
			buf_put(text, piece.bytes);
		}
		assert_true(r < 0 || rest.len == 0);
		free(copy);
	}
	if (r == 0 && !http_form_whole(&reader))
		r = err_set(&err, ERR_INVALID, "cut");
	assert_int_equal(r, err.code);
	return r;
}

static void check(const char *type, struct slice form, int code, const char *expected)
{
	size_t step;

	for (step = 0; step < 9; step++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(1u << 20);
		int r = read_form(type, form, step, &text);

		buf_put_u8(&text, 0);
		if (r != code || (code == 0 && strcmp((const char *)text.data, expected) != 0))
			fail_msg("'%.*s' by %zu gave %d '%s'", (int)form.len,
				 (const char *)form.data, step, r, (const char *)text.data);
	}
}

static void test_good(void **state)
{
	static const struct {
		const char *form;
		const char *expected;
	} CASES[] = {
		{"--B--", ""},
		{"--B--\r\n", ""},
		{"--B--anything\r\n--B\r\n", ""},
		{PART("a") "x" END, "[a|-]x"},
		{PART("a") END, "[a|-]"},
		{PART("\"a b\"") "x" END, "[a b|-]x"},
		{PART("a") "x\r\n" PART("b") "y" END, "[a|-]x[b|-]y"},
		{PART("a") "\r\n" PART("b") END, "[a|-][b|-]"},
		{"some words\r\nbefore\r\n" PART("a") "x" END, "[a|-]x"},
		{"\r\n" PART("a") "x" END, "[a|-]x"},
		{PART("a; filename=f") "x" END, "[a|f]x"},
		{PART("a; filename=\"\"") "x" END, "[a|]x"},
		{PART("a; filename=\"f \\\"g\\\";x=.bin\"") "x" END, "[a|f \\\"g\\\";x=.bin]x"},
		{PART("a; filename=\"C:\\x\\y.bin\"; other=1") "x" END, "[a|C:\\x\\y.bin]x"},
		{PART("a;x=\"y\";filename*=UTF-8''z") "x" END, "[a|-]x"},
		{"--B\r\ncontent-DISPOSITION:Form-Data;NAME=a\r\nX-Y: z\r\n\r\nx" END, "[a|-]x"},
		{"--B\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: Binary\r\n"
		 "Content-Disposition:\tform-data ; name=a\r\n\r\nx" END,
		 "[a|-]x"},
		/* What looks like a boundary for a while. */
		{PART("a") "\r" END, "[a|-]\r"},
		{PART("a") "\r\n" END, "[a|-]\r\n"},
		{PART("a") "\r\r\n-\r\n--\r\n--C" END, "[a|-]\r\r\n-\r\n--\r\n--C"},
		{PART("a") "\r\n\r\n--\r\r\n--b" END, "[a|-]\r\n\r\n--\r\r\n--b"},
		{PART("a") "--B--" END, "[a|-]--B--"},
		{PART("a") "\n--B--" END, "[a|-]\n--B--"},
		{PART("a") "\r--B--" END, "[a|-]\r--B--"},
		{"-" PART("a") "x"
			       "\r\n" PART("b") "y" END,
		 "[b|-]y"},
		{PART("\"\xc3\xa4\"") END, "[\xc3\xa4|-]"},
		{PART(A64) END, "[" A64 "|-]"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		check(TYPE, slice_str(CASES[i].form), 0, CASES[i].expected);
}

static void test_bad(void **state)
{
	static const char *const CASES[] = {
		"",
		"x",
		"--B",
		"--B-",
		"--B\r",
		"--B\r\n",
		"--C--\r\n",
		"--B --\r\n",
		"--BB--\r\n",
		"--B\n",
		PART("a"),
		PART("a") "x",
		PART("a") "x\r\n--B",
		PART("a") "x\r\n--B\r\n",
		PART("a") "x\r\n--Bx" END,
		"--B\r\n\r\nx" END,
		"--B\r\nContent-Type: text/plain\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data; name=a\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data; name=a\r\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition : form-data; name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition form-data; name=a\r\n\r\nx" END,
		"--B\r\n: form-data; name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-datax; name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data; name=a\r\n"
		"Content-Disposition: form-data; name=a\r\n\r\nx" END,
		"--B\r\nContent-Disposition: form-data; name=a\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nx" END,
		"--B\r\nContent-Transfer-Encoding: quoted-printable\r\n"
		"Content-Disposition: form-data; name=a\r\n\r\nx" END,
		PART("") "x" END,
		PART("\"\"") "x" END,
		PART("\"a") "x" END,
		PART("\"a\\\"") "x" END,
		PART("a b") "x" END,
		PART("\"a\"b") "x" END,
		PART("a; name=b") "x" END,
		PART("a; filename=x; filename=y") "x" END,
		PART("a;") "x" END,
		PART("a; =b") "x" END,
		PART("a; b") "x" END,
		PART("\"\xff\"") "x" END,
		PART("\"\xc3\"") "x" END,
		PART("\"a\x01\"") "x" END,
		PART("\"a\x7f\"") "x" END,
		PART(A64 "a") "x" END,
		PART("a; filename=" A256) "x" END,
		"--B\r\nX: " A1024 "\r\nContent-Disposition: form-data; name=a\r\n\r\nx" END,
	};
	static const char NUL_IN_HEADER[] =
		"--B\r\nContent-Disposition: form-data; name=a\0b\r\n\r\nx" END;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		check(TYPE, slice_str(CASES[i]), ERR_INVALID, NULL);
	check(TYPE, slice_of(NUL_IN_HEADER, sizeof(NUL_IN_HEADER) - 1), ERR_INVALID, NULL);
}

static void test_types(void **state)
{
	static const struct {
		const char *type;
		const char *boundary; /* NULL: there is none */
	} CASES[] = {
		{TYPE, "B"},
		{"multipart/form-data;boundary=B", "B"},
		{"multipart/form-data; charset=utf-8; Boundary=\"B'()+_,-./:=?\"", "B'()+_,-./:=?"},
		{"multipart/form-data; boundary=----WebKitFormBoundary0aZ ",
		 "----WebKitFormBoundary0aZ"},
		{"multipart/form-data; boundary=" A64 "aaaaaa", A64 "aaaaaa"},
		{"multipart/form-data; boundary=" A64 "aaaaaaa", NULL},
		{"", NULL},
		{"multipart/form-data", NULL},
		{"multipart/form-data;", NULL},
		{"multipart/form-data; boundary", NULL},
		{"multipart/form-data; boundary=", NULL},
		{"multipart/form-data; boundary=\"\"", NULL},
		{"multipart/form-data; boundary=\"a", NULL},
		{"multipart/form-data; boundary=\"a b\"", NULL},
		{"multipart/form-data; boundary=\"a\\\"b\"", NULL},
		{"multipart/form-data; boundary=a\x80", NULL},
		{"multipart/form-data; boundary=a*", NULL},
		{"multipart/form-data; bound=a", NULL},
		{"multipart/form-data; boundary=a b", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		char form[256];

		(void)snprintf(form, sizeof(form),
			       "--%s\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--%s--",
			       CASES[i].boundary, CASES[i].boundary);
		check(CASES[i].type, slice_str(form), CASES[i].boundary ? 0 : ERR_INVALID,
		      "[a|-]x");
	}
}

static void test_too_many_parts(void **state)
{
	unsigned parts;

	(void)state;
	for (parts = HTTP_FORM_PARTS; parts <= HTTP_FORM_PARTS + 1; parts++) {
		CLEANUP(buf_fini) struct buf form = BUF_INIT(1u << 16);
		CLEANUP(buf_fini) struct buf expected = BUF_INIT(1u << 16);
		unsigned i;

		for (i = 0; i < parts; i++) {
			buf_put_str(&form, i ? "\r\n" PART("a") : PART("a"));
			buf_put_str(&expected, "[a|-]");
		}
		buf_put_str(&form, END);
		buf_put_u8(&expected, 0);
		check(TYPE, buf_slice(&form), parts > HTTP_FORM_PARTS ? ERR_TOO_LARGE : 0,
		      (const char *)expected.data);
	}
}

/* Each line is short enough, all together are not. */
static void test_long_header(void **state)
{
	unsigned lines;

	(void)state;
	for (lines = 14; lines <= 16; lines += 2) {
		CLEANUP(buf_fini) struct buf form = BUF_INIT(1u << 16);
		unsigned i;

		buf_put_str(&form, "--B\r\nContent-Disposition: form-data; name=a\r\n");
		for (i = 0; i < lines; i++)
			buf_put_str(&form, "X: " A256 "\r\n");
		buf_put_str(&form, "\r\nx" END);
		check(TYPE, buf_slice(&form), lines > 14 ? ERR_INVALID : 0, "[a|-]x");
	}
}

/* Content of all kinds of bytes comes in few pieces: as many as there were slices, and one more. */
static void test_pieces_are_large(void **state)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(1u << 21);
	struct http_form_reader reader;
	struct http_form_piece piece;
	struct slice rest;
	struct err err;
	unsigned pieces = 0;
	size_t i;

	(void)state;
	buf_put_str(&form, PART("a"));
	for (i = 0; i < 1000000; i++)
		buf_put_u8(&form, i % 3 == 0 ? '\r' : (uint8_t)i);
	buf_put_str(&form, END);
	assert_int_equal(http_form_begin(&reader, TYPE, &err), 0);
	rest = buf_slice(&form);
	while (http_form_read(&reader, &rest, &piece, &err) > 0)
		pieces++;
	assert_true(http_form_whole(&reader));
	assert_int_equal(pieces, 1);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_good),	    cmocka_unit_test(test_bad),
		cmocka_unit_test(test_types),	    cmocka_unit_test(test_too_many_parts),
		cmocka_unit_test(test_long_header), cmocka_unit_test(test_pieces_are_large),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
