/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary search over bytes, not over lines: the line in the middle is found by its ends. Every
 * turn takes at least one byte from what is left, so a file of whatever bytes has an end. The lines
 * on the way must be in order with each other; others are not looked at.
 */

#include "artifact/device_key.h"
#include "base/base64.h"

#define PREFIX_LEN (sizeof(DEVICE_KEY_PREFIX) - 1)
#define NAME_LEN   (WRAP_NAME_HEX - 1u)
#define WINDOW	   (2u * DEVICE_KEY_LINE_MAX)

struct search {
	const struct device_keys *keys;
	uint64_t low, high; /* the line is in here, if it is; both are edges of lines */
	char above[WRAP_NAME_HEX], below[WRAP_NAME_HEX]; /* Names around; empty: none yet */
	uint8_t window[WINDOW];
	uint64_t start;	   /* of the line in the middle .. */
	struct slice line; /* .. which lies in the window, without its end */
};

static int bad_lines(struct err *err)
{
	return err_set(err, ERR_DAMAGED, "these are no sorted lines of device keys");
}

/* The line's end at or after @at in the window; @len where there is none. */
static size_t find_end(const uint8_t *window, size_t at, size_t len)
{
	while (at < len && window[at] != '\n')
		at++;
	return at;
}

/* Reads around the middle and finds its line. */
static int read_middle(struct search *search, struct err *err)
{
	uint64_t middle = search->low + (search->high - search->low) / 2;
	uint64_t from = middle - search->low < DEVICE_KEY_LINE_MAX ? search->low
								   : middle - DEVICE_KEY_LINE_MAX;
	uint64_t left = search->high - from;
	size_t wanted = left < WINDOW ? (size_t)left : WINDOW;
	size_t begin = (size_t)(middle - from), end, len = 0;
	int r = search->keys->read(search->keys->arg, from, search->window, wanted, &len, err);

	if (r < 0)
		return r;
	if (len != wanted)
		return bad_lines(err);
	end = find_end(search->window, begin, len);
	while (begin > 0 && search->window[begin - 1] != '\n')
		begin--;
	if (end == len || (begin == 0 && from > search->low) || end - begin >= DEVICE_KEY_LINE_MAX)
		return bad_lines(err);
	search->start = from + begin;
	search->line = slice_of(search->window + begin, end - begin);
	return 0;
}

/* The Name in a line that begins as one has to, and can be one. */
static int read_name(struct slice line, char ret_name[WRAP_NAME_HEX], struct err *err)
{
	uint8_t name[WRAP_NAME_SIZE];
	const uint8_t *hex = line.data + PREFIX_LEN;

	if (line.len < PREFIX_LEN + NAME_LEN + 1 ||
	    !slice_equal(slice_of(line.data, PREFIX_LEN), slice_str(DEVICE_KEY_PREFIX)) ||
	    hex[NAME_LEN] != '"' || !hex_decode(slice_of(hex, NAME_LEN), name, sizeof(name)) ||
	    memchr(line.data, '\0', line.len))
		return bad_lines(err);
	memcpy(ret_name, hex, NAME_LEN);
	ret_name[NAME_LEN] = '\0';
	return 0;
}

static bool in_order(const struct search *search, const char *name)
{
	return (!search->above[0] || strcmp(search->above, name) < 0) &&
	       (!search->below[0] || strcmp(name, search->below) < 0);
}

/* One turn: 1 when the line is the one, 0 to go on. */
static int look(struct search *search, const char *wanted, struct err *err)
{
	char name[WRAP_NAME_HEX];
	int order;
	int r = read_middle(search, err);

	if (r == 0)
		r = read_name(search->line, name, err);
	if (r < 0)
		return r;
	if (!in_order(search, name))
		return bad_lines(err);
	order = strcmp(wanted, name);
	if (order == 0)
		return 1;
	if (order < 0) {
		search->high = search->start;
		memcpy(search->below, name, sizeof(name));
	} else {
		search->low = search->start + search->line.len + 1;
		memcpy(search->above, name, sizeof(name));
	}
	return 0;
}

int device_keys_find(const struct device_keys *keys, const char name_hex[WRAP_NAME_HEX],
		     struct buf *ret_line, struct err *err)
{
	struct search search = {.keys = keys, .high = keys->size};
	int r = 0;

	while (r == 0 && search.low < search.high)
		r = look(&search, name_hex, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no key for this device");
	buf_put(ret_line, search.line);
	return buf_ok(ret_line) ? 0 : err_set(err, ERR_INTERNAL, "no room for a device key");
}
