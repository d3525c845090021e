/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson does the reading; this file adds what a service needs: its memory is wiped, depth is
 * limited before anything is allocated, and errors are sentences of our own. jansson's quote the
 * text near a fault, which may be a secret.
 */
#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"

#define DEPTH_MAX  16u
#define VALUES_MAX 8192u
/* Fractions are few and have few digits: 0.1 is to be read as 0.1. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))
#define HEADER	   (alignof(max_align_t) > sizeof(size_t) ? alignof(max_align_t) : sizeof(size_t))

/* Allocations that failed, of any thread. */
static _Atomic unsigned shortages;

/* In front of each block stands its size, so that json_release() knows what to wipe. */
static void *json_allocate(size_t size)
{
	uint8_t *block = size > SIZE_MAX - HEADER ? NULL : malloc(HEADER + size);

	if (!block) {
		atomic_fetch_add(&shortages, 1);
		return NULL;
	}
	memcpy(block, &size, sizeof(size));
	return block + HEADER;
}

static void json_release(void *data)
{
	uint8_t *block;
	size_t size;

	if (!data)
		return;
	block = (uint8_t *)data - HEADER;
	memcpy(&size, block, sizeof(size));
	wipe(block, HEADER + size);
	free(block);
}

void json_setup(void)
{
	json_set_alloc_funcs(json_allocate, json_release);
	/* Seeds the hash of member names here, before threads could do it at the same time. */
	json_object_seed(0);
}

void json_free(struct json_t *json)
{
	json_decref(json);
}

/*
 * Brackets and commas outside of strings; whether they fit together is jansson's to say. Building
 * a value costs far more than its one or two bytes, so a body of nothing but values is refused
 * before it is parsed: this runs in the loop's thread.
 */
static int check_shape(struct slice text, struct err *err)
{
	bool in_string = false;
	size_t depth = 0, values = 1;
	size_t i;

	for (i = 0; i < text.len; i++) {
		uint8_t ch = text.data[i];

		if (in_string && ch == '\\')
			i++;
		else if (ch == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (ch == '{' || ch == '[')
			depth++, values++;
		else if (ch == ',')
			values++;
		else if ((ch == '}' || ch == ']') && depth > 0)
			depth--;
		if (depth > DEPTH_MAX)
			return err_set(err, ERR_INVALID, "nested more than %u deep", DEPTH_MAX);
		if (values > VALUES_MAX)
			return err_set(err, ERR_INVALID, "more than %u values", VALUES_MAX);
	}
	return 0;
}

static const char *fault_text(enum json_error_code code)
{
	switch (code) {
	case json_error_premature_end_of_input:
		return "the text ends too early";
	case json_error_end_of_input_expected:
		return "there is text after the end";
	case json_error_invalid_utf8:
		return "not valid UTF-8";
	case json_error_duplicate_key:
		return "a member stands there twice";
	case json_error_numeric_overflow:
		return "a number is out of range";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "a string holds a NUL character";
	default:
		return "not valid JSON";
	}
}

static int parse_error(const json_error_t *fault, struct err *err)
{
	return err_set(err, ERR_INVALID, "line %d, column %d: %s",
		       fault->line > 0 ? fault->line : 1, fault->column > 0 ? fault->column : 0,
		       fault_text(json_error_code(fault)));
}

int json_parse(struct slice text, struct json_t **ret_object, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	json_error_t fault;
	const char *start = text.len > 0 ? (const char *)text.data : "";
	unsigned before = atomic_load(&shortages);

	if (check_shape(text, err) < 0)
		return err->code;
	/* Any value is decoded, so that "not an object" is told from "not JSON". */
	json = json_loadb(start, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	/*
	 * jansson 2.14 drops characters of a string for which it found no memory and goes on: what
	 * it then gives, a value or an error, is of another text. Another thread's shortage is as
	 * good a reason to give up.
	 */
	if (atomic_load(&shortages) != before)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (!json)
		return parse_error(&fault, err);
	if (!json_is_object(json))
		return err_set(err, ERR_INVALID, "line 1, column 1: must be an object");
	*ret_object = TAKE(json);
	return 0;
}

/* The value of a member, or NULL with *ret_status what the caller returns. */
static const json_t *member(const json_t *object, const char *name, bool required, int *ret_status,
			    struct err *err)
{
	const json_t *value = json_object_get(object, name);

	*ret_status = 0;
	if (!value && required)
		*ret_status = err_set(err, ERR_INVALID, "/%s: missing", name);
	return value;
}

int json_get_string(const struct json_t *object, const char *name, bool required,
		    const char **ret_text, struct err *err)
{
	int r;
	const json_t *value = member(object, name, required, &r, err);

	if (!value)
		return r;
	if (!json_is_string(value))
		return err_set(err, ERR_INVALID, "/%s: must be a string", name);
	*ret_text = json_string_value(value);
	return 0;
}

int json_get_bool(const struct json_t *object, const char *name, bool required, bool *ret_value,
		  struct err *err)
{
	int r;
	const json_t *value = member(object, name, required, &r, err);

	if (!value)
		return r;
	if (!json_is_boolean(value))
		return err_set(err, ERR_INVALID, "/%s: must be true or false", name);
	*ret_value = json_is_true(value);
	return 0;
}

int json_get_u64(const struct json_t *object, const char *name, bool required, uint64_t min,
		 uint64_t max, uint64_t *ret_value, struct err *err)
{
	int r;
	const json_t *value = member(object, name, required, &r, err);
	json_int_t number;

	if (!value)
		return r;
	number = json_integer_value(value);
	if (!json_is_integer(value) || number < 0 || (uint64_t)number < min ||
	    (uint64_t)number > max)
		return err_set(err, ERR_INVALID,
			       "/%s: must be a whole number from %" PRIu64 " to %" PRIu64, name,
			       min, max);
	*ret_value = (uint64_t)number;
	return 0;
}

/* How many bytes @text stands for if it is base64; the padding tells. */
static size_t decoded_size(struct slice text)
{
	size_t size = base64_decoded_max(text.len);
	size_t i;

	for (i = 1; i <= 2 && i <= text.len && text.data[text.len - i] == '='; i++)
		size -= size > 0 ? 1 : 0;
	return size;
}

/* A present member: decoded into a secret of its exact size. */
static int decode_member(const json_t *value, const char *name, size_t max,
			 struct secret **ret_secret, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *room = NULL;
	struct slice text;
	size_t len;
	int r;

	if (!json_is_string(value))
		return err_set(err, ERR_INVALID, "/%s: must be a string of base64", name);
	text = slice_of(json_string_value(value), json_string_length(value));
	if (decoded_size(text) > max)
		return err_set(err, ERR_TOO_LARGE, "/%s: over %zu bytes", name, max);
	r = secret_new(base64_decoded_max(text.len), &room, err);
	if (r < 0)
		return r;
	if (!base64_decode(text, secret_data(room), &len))
		return err_set(err, ERR_INVALID, "/%s: not valid base64", name);
	if (len < secret_size(room))
		return secret_copy(slice_of(secret_data(room), len), ret_secret, err);
	*ret_secret = TAKE(room);
	return 0;
}

int json_get_secret(const struct json_t *object, const char *name, bool required, size_t max,
		    struct secret **ret_secret, struct err *err)
{
	int r;
	const json_t *value = member(object, name, required, &r, err);

	return value ? decode_member(value, name, max, ret_secret, err) : r;
}

int json_get_bytes(const struct json_t *object, const char *name, bool required,
		   struct buf *ret_bytes, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	int r;

	r = json_get_secret(object, name, required, ret_bytes->max - ret_bytes->len, &bytes, err);
	if (r < 0 || !bytes)
		return r;
	buf_put(ret_bytes, secret_slice(bytes));
	if (!buf_ok(ret_bytes))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

/* A member's name as one step of a JSON pointer (RFC 6901, section 3), cut to what fits. */
static void pointer_step(const char *name, char *step, size_t size)
{
	size_t len = 0;

	for (; *name && len + 2 < size; name++) {
		if (*name == '~' || *name == '/') {
			step[len++] = '~';
			step[len++] = *name == '~' ? '0' : '1';
		} else {
			step[len++] = *name;
		}
	}
	step[len] = '\0';
}

int json_only(const struct json_t *object, const char *const *names, size_t count, struct err *err)
{
	char step[sizeof(err->text)];
	const char *name;
	json_t *value;
	size_t i;

	/* The macro wants a pointer that it could change; it does not. */
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		for (i = 0; i < count && strcmp(names[i], name) != 0; i++)
			;
		if (i < count)
			continue;
		pointer_step(name, step, sizeof(step) - sizeof("/: unknown member"));
		return err_set(err, ERR_INVALID, "/%s: unknown member", step);
	}
	return 0;
}

static int write_piece(const char *text, size_t len, void *arg)
{
	struct buf *buf = arg;

	buf_put(buf, slice_of(text, len));
	return buf_ok(buf) ? 0 : -1;
}

void json_write(struct buf *buf, const struct json_t *json)
{
	if (json_dump_callback(json, write_piece, buf, DUMP_FLAGS) < 0)
		buf->failed = true;
}

void json_put_string(struct buf *buf, const char *text)
{
	struct slice rest = slice_str(text);

	buf_put_u8(buf, '"');
	while (rest.len > 0) {
		size_t len = utf8_next(rest);

		if (len == 0)
			buf_put_str(buf, "\xef\xbf\xbd");
		else if (rest.data[0] < 0x20)
			buf_printf(buf, "\\u%04x", rest.data[0]);
		else if (rest.data[0] == '"' || rest.data[0] == '\\')
			buf_printf(buf, "\\%c", rest.data[0]);
		else
			buf_put(buf, slice_of(rest.data, len));
		len = len > 0 ? len : 1;
		rest = slice_of(rest.data + len, rest.len - len);
	}
	buf_put_u8(buf, '"');
}
