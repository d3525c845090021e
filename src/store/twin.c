/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twin files: both copies are looked at before anything is decided. The copy that is not the best
 * is always written first, so that at every moment one good copy is on disk.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "store/impl.h"

#define TWIN_WORD	    "holdfast-twin 1 "
#define TWIN_SUFFIX	    ".copy"
#define TWIN_DIGITS_MAX	    19u
#define TWIN_GENERATION_MAX UINT64_C(9999999999999999999)
#define TWIN_SUM_SIZE	    32u
#define TWIN_HEAD_MAX	    (sizeof(TWIN_WORD) + TWIN_DIGITS_MAX + 2 * TWIN_SUM_SIZE + 2)

struct copy {
	char name[NAME_MAX + 1];
	int code; /* 0 = good; ERR_NOT_FOUND, ERR_DAMAGED or ERR_UNREADABLE */
	struct secret *bytes;
	struct slice content; /* within bytes */
	uint64_t generation;
};

struct pair {
	struct copy copies[2];
	size_t best; /* when one is good */
};

static void pair_fini(struct pair *pair)
{
	secret_free(pair->copies[0].bytes);
	secret_free(pair->copies[1].bytes);
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
static int parse_copy(struct copy *copy, struct err *err)
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
static int load_copy(int dir, struct copy *copy, struct err *err)
{
	int r = file_read_secret(dir, copy->name, STORE_TWIN_MAX + TWIN_HEAD_MAX, &copy->bytes,
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

/* --- both --- */

static int no_good_copy(const struct pair *pair, const char *name, struct err *err)
{
	const struct copy *a = &pair->copies[0], *b = &pair->copies[1];

	if (a->code == ERR_NOT_FOUND && b->code == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", name);
	if (a->code == ERR_UNREADABLE || b->code == ERR_UNREADABLE)
		return err_set(err, ERR_UNREADABLE, "%s and its copy cannot be read", name);
	return err_set(err, ERR_DAMAGED, "%s and its copy are damaged", name);
}

static int load_pair(int dir, const char *name, struct pair *pair, struct err *err)
{
	struct copy *a = &pair->copies[0], *b = &pair->copies[1];
	int r;

	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	(void)snprintf(b->name, sizeof(b->name), "%s" TWIN_SUFFIX, name);
	r = load_copy(dir, a, err);
	if (r < 0)
		return r;
	r = load_copy(dir, b, err);
	if (r < 0)
		return r;
	if (a->code < 0 && b->code < 0)
		return no_good_copy(pair, name, err);
	pair->best = a->code < 0 || (b->code == 0 && b->generation > a->generation) ? 1 : 0;
	return 0;
}

static bool copies_equal(const struct pair *pair)
{
	const struct copy *a = &pair->copies[0], *b = &pair->copies[1];

	return a->code == 0 && b->code == 0 &&
	       secret_equal(secret_slice(a->bytes), secret_slice(b->bytes));
}

/* The content is safe in the good copy: on a full or failing disk it is still to be had. */
static void repair(int dir, const struct pair *pair)
{
	const struct copy *good = &pair->copies[pair->best], *other = &pair->copies[1 - pair->best];
	struct err ignored;

	if (!copies_equal(pair))
		(void)!file_write(dir, other->name, secret_slice(good->bytes), STORE_FILE_MODE,
				  FILE_REPLACE, &ignored);
}

static int open_twins(struct store *store, const char *tenant, const char *name, bool create,
		      int *ret_fd, struct err *err)
{
	const char *const path[] = {tenant ? STORE_TENANTS : NULL, tenant, NULL};

	if (!store_name_ok(name) || (tenant && !store_tenant_ok(tenant)))
		return err_set(err, ERR_INVALID, "not a name of a twin file");
	return store_folder(store, path, create, ret_fd, err);
}

int store_twin_read(struct store *store, const char *tenant, const char *name,
		    struct secret **ret_content, struct err *err)
{
	CLEANUP(pair_fini) struct pair pair = {.best = 0};
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r;

	r = open_twins(store, tenant, name, false, &dir, err);
	if (r < 0)
		return r;
	r = load_pair(dir, name, &pair, err);
	if (r < 0)
		return r;
	r = secret_copy(pair.copies[pair.best].content, ret_content, err);
	if (r < 0)
		return r;
	repair(dir, &pair);
	return 0;
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

int store_twin_write(struct store *store, const char *tenant, const char *name,
		     struct slice content, struct err *err)
{
	CLEANUP(pair_fini) struct pair pair = {.best = 1};
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	CLEANUP(fd_close_cleanup) int dir = -1;
	uint64_t before = 0;
	int r;

	if (content.len > STORE_TWIN_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s would be too large", name);
	r = open_twins(store, tenant, name, true, &dir, err);
	if (r < 0)
		return r;
	r = load_pair(dir, name, &pair, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (r == 0)
		before = pair.copies[pair.best].generation;
	if (before == TWIN_GENERATION_MAX)
		return err_set(err, ERR_DAMAGED, "the generations of %s are used up", name);
	r = compose(before + 1, content, &bytes, err);
	if (r < 0)
		return r;
	r = file_write(dir, pair.copies[1 - pair.best].name, secret_slice(bytes), STORE_FILE_MODE,
		       FILE_REPLACE, err);
	if (r < 0)
		return r;
	return file_write(dir, pair.copies[pair.best].name, secret_slice(bytes), STORE_FILE_MODE,
			  FILE_REPLACE, err);
}

static const char *const SUFFIXES[] = {"", TWIN_SUFFIX};

int store_twin_remove(struct store *store, const char *tenant, const char *name, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	char copy[NAME_MAX + 1];
	size_t i;
	int r = open_twins(store, tenant, name, false, &dir, err);

	for (i = 0; r == 0 && i < ARRAY_LEN(SUFFIXES); i++) {
		(void)snprintf(copy, sizeof(copy), "%s%s", name, SUFFIXES[i]);
		r = file_remove(dir, copy, err);
		if (r == ERR_NOT_FOUND)
			r = 0;
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_twin_set_aside(struct store *store, const char *name, const char *aside, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	char from[NAME_MAX + 1], to[NAME_MAX + 1];
	size_t i;
	int r;

	if (!store_name_ok(aside))
		return err_set(err, ERR_INVALID, "not a name of a twin file");
	r = open_twins(store, NULL, name, false, &dir, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(SUFFIXES); i++) {
		(void)snprintf(from, sizeof(from), "%s%s", name, SUFFIXES[i]);
		(void)snprintf(to, sizeof(to), "%s%s", aside, SUFFIXES[i]);
		r = file_move(dir, from, dir, to, err);
		if (r == ERR_NOT_FOUND)
			r = 0;
	}
	return r;
}
