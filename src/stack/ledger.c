/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/ledger.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"

#define LEDGER_MAX 16384u
#define LINE_SIZE  320u
#define DIGITS	   (2 * PLACE_DIGEST_SIZE)

/* --- rows --- */

static bool same_digest(const uint8_t a[PLACE_DIGEST_SIZE], const uint8_t b[PLACE_DIGEST_SIZE])
{
	return slice_equal(slice_of(a, PLACE_DIGEST_SIZE), slice_of(b, PLACE_DIGEST_SIZE));
}

bool ledger_was_before(const struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE])
{
	return row->backup[0] != '\0' && same_digest(row->before, digest);
}

bool ledger_knows(const struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE])
{
	size_t i;

	for (i = 0; i < row->count; i++)
		if (same_digest(row->digests[i], digest))
			return true;
	return false;
}

void ledger_set(struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE])
{
	memcpy(row->digests[0], digest, PLACE_DIGEST_SIZE);
	row->count = 1;
}

void ledger_add(struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE])
{
	if (row->count < LEDGER_DIGESTS && !ledger_knows(row, digest))
		memcpy(row->digests[row->count++], digest, PLACE_DIGEST_SIZE);
}

static bool same_row(const struct ledger_row *a, const struct ledger_row *b)
{
	size_t i;

	if (a->count != b->count || strcmp(a->backup, b->backup) != 0 ||
	    (a->backup[0] != '\0' && !same_digest(a->before, b->before)))
		return false;
	for (i = 0; i < a->count; i++)
		if (!ledger_knows(b, a->digests[i]))
			return false;
	return true;
}

bool ledger_same(const struct ledger *a, const struct ledger *b)
{
	size_t i;

	for (i = 0; i < STACK_PARTS; i++)
		if (!same_row(&a->rows[i], &b->rows[i]))
			return false;
	return true;
}

bool ledger_is_backup(enum stack_part part, const char *name)
{
	static const char *const SUFFIXES[] = {STACK_ORIG, STACK_BACKUP};
	const char *base = place_name(stack_path(part));
	const char *rest = name + 1 + strlen(base);
	size_t i, len;

	if (name[0] != '.' || strncmp(name + 1, base, strlen(base)) != 0)
		return false;
	for (i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
		len = strlen(SUFFIXES[i]);
		if (strncmp(rest, SUFFIXES[i], len) != 0)
			continue;
		rest += len;
		return rest[0] == '\0' || (rest[0] == '.' && rest[1] != '\0' &&
					   strspn(rest + 1, "0123456789") == strlen(rest + 1));
	}
	return false;
}

/* --- text --- */

static bool part_of_word(const char *word, enum stack_part *ret_part)
{
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++) {
		if (strcmp(stack_word((enum stack_part)part), word) != 0)
			continue;
		*ret_part = (enum stack_part)part;
		return true;
	}
	return false;
}

static bool parse_digest(const char *digits, uint8_t ret_digest[PLACE_DIGEST_SIZE])
{
	return digits && strlen(digits) == DIGITS &&
	       hex_decode(slice_str(digits), ret_digest, PLACE_DIGEST_SIZE);
}

/* Of one line, which is changed. */
static bool parse_line(char *line, struct ledger *ledger)
{
	char *save = NULL;
	const char *word = strtok_r(line, " ", &save);
	const char *digits = strtok_r(NULL, " ", &save);
	const char *backup = strtok_r(NULL, " ", &save);
	const char *before = strtok_r(NULL, "", &save);
	struct ledger_row *row;
	enum stack_part part;

	if (!word || !part_of_word(word, &part))
		return false;
	row = &ledger->rows[part];
	if (row->count == LEDGER_DIGESTS || !parse_digest(digits, row->digests[row->count]))
		return false;
	row->count++;
	if (!backup)
		return row->backup[0] == '\0';
	if (strlen(backup) >= sizeof(row->backup) || !ledger_is_backup(part, backup) ||
	    !parse_digest(before, row->before))
		return false;
	memcpy(row->backup, backup, strlen(backup) + 1);
	return true;
}

static bool parse(struct slice text, struct ledger *ledger)
{
	const char *at = (const char *)text.data;
	size_t left = text.len;
	char line[LINE_SIZE];

	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t)(end - at) : 0;

		if (!end || len >= sizeof(line) || memchr(at, '\0', len))
			return false;
		memcpy(line, at, len);
		line[len] = '\0';
		if (!parse_line(line, ledger))
			return false;
		at += len + 1;
		left -= len + 1;
	}
	return true;
}

int ledger_read(int dir, struct ledger *ret_ledger, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(LEDGER_MAX);
	struct ledger ledger = {0};
	int r = file_read(dir, place_name(STACK_LEDGER), &text, err);

	if (r < 0 && r != ERR_NOT_FOUND)
		return err_wrap(err, "%s", STACK_STATE);
	if (r == 0 && !parse(buf_slice(&text), &ledger)) {
		(void)err_set(err, ERR_UNREADABLE,
			      STACK_LEDGER " is damaged; without it nothing is known as ours");
		return err_add_remedy(err, "Put it back from a backup. Or remove it and apply with "
					   "the section as it was: what is as rendered is then "
					   "ours again, but what lies in backups (" STACK_ORIG
					   ", " STACK_BACKUP ") is put back by hand.");
	}
	*ret_ledger = ledger;
	return 0;
}

static void put_row(struct buf *out, enum stack_part part, const struct ledger_row *row)
{
	size_t i;

	for (i = 0; i < row->count; i++) {
		buf_printf(out, "%s ", stack_word(part));
		hex_encode(out, slice_of(row->digests[i], PLACE_DIGEST_SIZE));
		if (row->backup[0] != '\0') {
			buf_printf(out, " %s ", row->backup);
			hex_encode(out, slice_of(row->before, PLACE_DIGEST_SIZE));
		}
		buf_put_u8(out, '\n');
	}
}

int ledger_write(int dir, const struct ledger *ledger, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(LEDGER_MAX);
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++)
		put_row(&text, (enum stack_part)part, &ledger->rows[part]);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return place_put_file(dir, place_name(STACK_LEDGER), buf_slice(&text), PLACE_FILE_MODE,
			      err);
}
