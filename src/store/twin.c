/* SPDX-License-Identifier: Apache-2.0 */
#include "store/twin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "crypto/hash.h"

#define TWIN_WORD	    "holdfast-twin 1 "
#define TWIN_DIGITS_MAX	    19u
#define TWIN_GENERATION_MAX UINT64_C(9999999999999999999)
#define TWIN_SUM_SIZE	    32u
#define TWIN_HEAD_MAX	    (sizeof(TWIN_WORD) + TWIN_DIGITS_MAX + 2 * TWIN_SUM_SIZE + 2)

void twin_fini(struct twin *twin)
{
	for (size_t i = 0; i < twin->count; i++)
		secret_free(TAKE(twin->copies[i].bytes));
}

void twin_add(struct twin *twin, int dir, const char *name, int code)
{
	static const char *const suffixes[] = {"", TWIN_SUFFIX};

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && twin->count < TWIN_COPIES_MAX; i++) {
		struct twin_copy *copy = &twin->copies[twin->count++];

		*copy = (struct twin_copy){.dir = dir, .code = code};
		(void)snprintf(copy->name, sizeof(copy->name), "%s%s", name, suffixes[i]);
	}
}

/* --- one copy --- */

/* Over "GENERATION\n" and the content; the digits are taken as they stand in the head. */
static int checksum(struct slice digits, struct slice content, uint8_t *ret_sum, struct err *err)
{
	const struct slice parts[] = {digits, slice_str("\n"), content};

	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_sum, err);
}

/* Decimal without leading zeros, 1 to TWIN_GENERATION_MAX. */
static bool parse_generation(struct slice digits, uint64_t *ret_generation)
{
	uint64_t value = 0;
	size_t i;

	if (digits.len == 0 || digits.len > TWIN_DIGITS_MAX || digits.data[0] == '0')
		return false;
	for (i = 0; i < digits.len; i++) {
		unsigned digit = (unsigned)digits.data[i] - '0';

		if (digit > 9)
			return false;
		value = value * 10 + digit;
	}
	*ret_generation = value;
	return true;
}

static struct slice take_digits(struct cursor *cursor)
{
	size_t len = 0;

	while (len < cursor->rest.len && cursor->rest.data[len] >= '0' &&
	       cursor->rest.data[len] <= '9')
		len++;
	return cursor_take(cursor, len);
}

/* Returns 0 and leaves copy->code at ERR_DAMAGED when the bytes are not a twin file. */
static int parse_copy(struct twin_copy *copy, struct err *err)
{
	struct cursor cursor = cursor_of(secret_slice(copy->bytes));
	uint8_t stored[TWIN_SUM_SIZE], sum[HASH_MAX_SIZE];
	struct slice word, digits, space, hex, newline;
	int r;

	copy->code = ERR_DAMAGED;
	word = cursor_take(&cursor, strlen(TWIN_WORD));
	digits = take_digits(&cursor);
	space = cursor_take(&cursor, 1);
	hex = cursor_take(&cursor, 2 * TWIN_SUM_SIZE);
	newline = cursor_take(&cursor, 1);
	if (cursor.failed || !slice_equal(word, slice_str(TWIN_WORD)) ||
	    !slice_equal(space, slice_str(" ")) || !slice_equal(newline, slice_str("\n")) ||
	    !parse_generation(digits, &copy->generation) ||
	    !hex_decode(hex, stored, sizeof(stored)))
		return 0;
	r = checksum(digits, cursor.rest, sum, err);
	if (r < 0)
		return r;
	if (!secret_equal(slice_of(stored, sizeof(stored)), slice_of(sum, sizeof(stored))))
		return 0;
	copy->content = cursor.rest;
	copy->code = 0;
	return 0;
}

/* Fails only for reasons that are not the file's own. */
static int load_copy(struct twin_copy *copy, struct err *err)
{
	int r = file_read_secret(copy->dir, copy->name, TWIN_MAX + TWIN_HEAD_MAX, &copy->bytes,
				 err);

	switch (r) {
	case 0:
		return parse_copy(copy, err);
	case ERR_TOO_LARGE:
		copy->code = ERR_DAMAGED;
		return 0;
	case ERR_NOT_FOUND:
	case ERR_UNREADABLE:
		copy->code = r;
		return 0;
	default:
		return r;
	}
}

/* --- all of them --- */

static int judge_copy(struct twin_copy *copy, twin_judge *judge, struct err *err)
{
	int r = judge(copy->content, err);

	if (r < 0 && r != ERR_DAMAGED && r != ERR_UNREADABLE)
		return r;
	copy->code = r;
	return 0;
}

static bool any_is(const struct twin *twin, int code)
{
	for (size_t i = 0; i < twin->count; i++)
		if (twin->copies[i].code == code)
			return true;
	return false;
}

static int no_good_copy(const struct twin *twin, struct err *err)
{
	const char *name = twin->copies[0].name;

	if (any_is(twin, ERR_UNREADABLE))
		return err_set(err, ERR_UNREADABLE, "%s and its copy cannot be read", name);
	if (any_is(twin, ERR_DAMAGED))
		return err_set(err, ERR_DAMAGED, "%s and its copy are damaged", name);
	return err_set(err, ERR_NOT_FOUND, "there is no %s", name);
}

/* Is @a to be preferred? */
static bool better(const struct twin_copy *a, const struct twin_copy *b)
{
	if (a->code < 0 || b->code < 0)
		return a->code == 0 && b->code < 0;
	return a->generation > b->generation;
}

int twin_load(struct twin *twin, twin_judge *judge, struct err *err)
{
	int r;

	for (size_t i = 0; i < twin->count; i++) {
		struct twin_copy *copy = &twin->copies[i];

		if (copy->dir < 0)
			continue;
		r = load_copy(copy, err);
		if (r == 0 && copy->code == 0 && judge)
			r = judge_copy(copy, judge, err);
		if (r < 0)
			return r;
		if (better(copy, &twin->copies[twin->best]))
			twin->best = i;
	}
	if (twin->copies[twin->best].code < 0)
		return no_good_copy(twin, err);
	return 0;
}

static bool equal(const struct twin_copy *a, const struct twin_copy *b)
{
	return a->code == 0 && b->code == 0 &&
	       secret_equal(secret_slice(a->bytes), secret_slice(b->bytes));
}

bool twin_whole(const struct twin *twin)
{
	for (size_t i = 0; i < twin->count; i++)
		if (!equal(&twin->copies[i], &twin->copies[twin->best]))
			return false;
	return true;
}

/* The content is safe in the good copy: on a full or failing disk it is still to be had. */
void twin_repair(const struct twin *twin)
{
	const struct twin_copy *good = &twin->copies[twin->best];
	struct err ignored;

	for (size_t i = 0; i < twin->count; i++) {
		const struct twin_copy *copy = &twin->copies[i];

		if (copy->dir >= 0 && !equal(copy, good))
			(void)!file_write(copy->dir, copy->name, secret_slice(good->bytes),
					  TWIN_MODE, FILE_REPLACE, &ignored);
	}
}

/* Head and content in one piece, as they go to disk. */
static int compose(uint64_t generation, struct slice content, struct secret **ret_bytes,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf head = BUF_INIT(TWIN_HEAD_MAX);
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	char digits[TWIN_DIGITS_MAX + 1];
	uint8_t sum[HASH_MAX_SIZE];
	int r;

	(void)snprintf(digits, sizeof(digits), "%" PRIu64, generation);
	r = checksum(slice_str(digits), content, sum, err);
	if (r < 0)
		return r;
	buf_printf(&head, TWIN_WORD "%s ", digits);
	hex_encode(&head, slice_of(sum, TWIN_SUM_SIZE));
	buf_put_str(&head, "\n");
	if (!buf_ok(&head))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = secret_new(head.len + content.len, &bytes, err);
	if (r < 0)
		return r;
	memcpy(secret_data(bytes), head.data, head.len);
	if (content.len > 0)
		memcpy(secret_data(bytes) + head.len, content.data, content.len);
	*ret_bytes = TAKE(bytes);
	return 0;
}

/* The next one to be written: of those that are left the worst, and the one that counts last. */
static struct twin_copy *worst_of(struct twin *twin, const bool *written)
{
	const struct twin_copy *counts = &twin->copies[twin->best];
	struct twin_copy *worst = NULL;

	for (size_t i = 0; i < twin->count; i++) {
		struct twin_copy *copy = &twin->copies[i];

		if (!written[i] &&
		    (!worst || better(worst, copy) || (worst == counts && counts->code == 0)))
			worst = copy;
	}
	return worst;
}

static int check_write(const struct twin *twin, struct slice content, struct err *err)
{
	const struct twin_copy *best = &twin->copies[twin->best];

	if (content.len > TWIN_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s would be too large", best->name);
	for (size_t i = 0; i < twin->count; i++)
		if (twin->copies[i].dir < 0)
			return err_set(err, ERR_UNREADABLE, "a folder of %s is not to be had",
				       twin->copies[i].name);
	return 0;
}

/* After the last one it begins anew, which is safe since the copy that counts is written last. */
static uint64_t next_generation(const struct twin_copy *best)
{
	return best->code == 0 && best->generation < TWIN_GENERATION_MAX ? best->generation + 1 : 1;
}

int twin_write(struct twin *twin, struct slice content, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	const struct twin_copy *best = &twin->copies[twin->best];
	bool written[TWIN_COPIES_MAX] = {false};
	int r = check_write(twin, content, err);

	if (r == 0)
		r = compose(next_generation(best), content, &bytes, err);
	for (size_t i = 0; r == 0 && i < twin->count; i++) {
		struct twin_copy *copy = worst_of(twin, written);

		r = file_write(copy->dir, copy->name, secret_slice(bytes), TWIN_MODE, FILE_REPLACE,
			       err);
		written[copy - twin->copies] = true;
	}
	return r;
}
