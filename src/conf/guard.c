/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the tokens of the file, each copied or refused. It knows no key and no grammar but
 * one rule: a `{` after `=` begins a list, any other a section.
 */
#include "conf/guard.h"

#include <stdio.h>
#include <string.h>

enum token { TOKEN_NONE, TOKEN_WORD, TOKEN_STRING, TOKEN_EQUALS, TOKEN_OTHER };

struct guard {
	struct slice text;
	size_t at;
	unsigned line;
	enum token last;
	struct buf *out;
	const char *file;
	struct err *err;
};

static int refuse(const struct guard *guard, unsigned line, const char *why)
{
	return err_set(guard->err, ERR_INVALID, "%s:%u: %s", guard->file, line, why);
}

/* The byte @ahead of the current one; NUL, which the text does not hold, behind its end. */
static uint8_t peek(const struct guard *guard, size_t ahead)
{
	size_t left = guard->text.len - guard->at;

	return ahead < left ? guard->text.data[guard->at + ahead] : 0;
}

static void copy(struct guard *guard, size_t len)
{
	buf_put(guard->out, slice_of(guard->text.data + guard->at, len));
	guard->at += len;
}

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static bool is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("_-.:/@%~", c));
}

/* --- one token each --- */

static int pass_space(struct guard *guard)
{
	if (peek(guard, 0) == '\n')
		guard->line++;
	if (peek(guard, 0) == '\r')
		guard->at++;
	else
		copy(guard, 1);
	return 0;
}

static int drop_line_comment(struct guard *guard)
{
	while (peek(guard, 0) != '\n' && guard->at < guard->text.len)
		guard->at++;
	return 0;
}

static int drop_block_comment(struct guard *guard)
{
	unsigned opened = guard->line;

	buf_put_str(guard->out, " ");
	for (guard->at += 2; guard->at < guard->text.len; guard->at++) {
		if (peek(guard, 0) == '*' && peek(guard, 1) == '/') {
			guard->at += 2;
			return 0;
		}
		if (peek(guard, 0) == '\n') {
			buf_put_str(guard->out, "\n");
			guard->line++;
		}
	}
	return refuse(guard, opened, "this comment is not closed; end it with */");
}

/* NULL, or why the byte @at the current position cannot stand in a string. */
static const char *wrong_in_string(const struct guard *guard, size_t at, uint8_t quote)
{
	uint8_t c = peek(guard, at);
	uint8_t next = peek(guard, at + 1);

	if (c == 0 || c == '\n' || c == '\r')
		return "this string is not closed; end it with its quote on the same line";
	if (at > GUARD_VALUE_MAX)
		return "this string is too long; allowed: 1024 bytes";
	if (is_control(c))
		return "a control character in a string; allowed: text without them";
	if (c == '$' && next == '{')
		return "${ in a string; variables are not replaced, write the value itself";
	if (c == '\\' && next != '\\' && next != quote)
		return "a backslash in a string; allowed: \\\\ and the escaped quote";
	return NULL;
}

static int copy_string(struct guard *guard)
{
	uint8_t quote = peek(guard, 0);
	const char *wrong;
	size_t len = 1;

	while (peek(guard, len) != quote) {
		wrong = wrong_in_string(guard, len, quote);
		if (wrong)
			return refuse(guard, guard->line, wrong);
		len += peek(guard, len) == '\\' ? 2 : 1;
	}
	copy(guard, len + 1);
	guard->last = TOKEN_STRING;
	return 0;
}

static int copy_word(struct guard *guard)
{
	size_t len = 0;

	while (is_word(peek(guard, len)))
		len++;
	if (len > GUARD_VALUE_MAX)
		return refuse(guard, guard->line, "this word is too long; allowed: 1024 bytes");
	copy(guard, len);
	guard->last = TOKEN_WORD;
	return 0;
}

static int copy_sign(struct guard *guard)
{
	uint8_t sign = peek(guard, 0);

	if (sign == '=' && guard->last != TOKEN_WORD)
		return refuse(guard, guard->line,
			      "an = without a key; write key = value, the key without quotes");
	copy(guard, 1);
	if (sign == '{' && guard->last == TOKEN_EQUALS)
		buf_put_str(guard->out, GUARD_MARK_LIST ",");
	else if (sign == '{')
		buf_put_str(guard->out, GUARD_MARK_SECTION "=1 ");
	guard->last = sign == '=' ? TOKEN_EQUALS : TOKEN_OTHER;
	return 0;
}

static int refuse_byte(const struct guard *guard)
{
	uint8_t c = peek(guard, 0);
	char why[64];

	if (c > 0x20 && c < 0x7f)
		(void)snprintf(why, sizeof(why), "%c is not allowed here; put values in quotes", c);
	else
		(void)snprintf(why, sizeof(why), "byte 0x%02x is not allowed here", c);
	return refuse(guard, guard->line, why);
}

static int step(struct guard *guard)
{
	uint8_t c = peek(guard, 0);
	uint8_t next = peek(guard, 1);

	if (c == ' ' || c == '\t' || c == '\n' || (c == '\r' && next == '\n'))
		return pass_space(guard);
	if (c == '#' || (c == '/' && next == '/'))
		return drop_line_comment(guard);
	if (c == '/' && next == '*')
		return drop_block_comment(guard);
	if (c == '"' || c == '\'')
		return copy_string(guard);
	if (c == '{' || c == '}' || c == '=' || c == ',')
		return copy_sign(guard);
	return is_word(c) ? copy_word(guard) : refuse_byte(guard);
}

/* Before all else, so that NUL can stand for "behind the end" afterwards. */
static int refuse_nul(struct guard *guard)
{
	const uint8_t *nul =
		guard->text.len > 0 ? memchr(guard->text.data, 0, guard->text.len) : NULL;
	unsigned line = 1;
	const uint8_t *c;

	if (!nul)
		return 0;
	for (c = guard->text.data; c < nul; c++)
		line += *c == '\n';
	return refuse(guard, line, "a NUL byte; allowed: text");
}

int guard_text(struct slice text, const char *file, struct buf *ret_text, unsigned *ret_last_line,
	       struct err *err)
{
	struct guard guard = {.text = text, .line = 1, .out = ret_text, .file = file, .err = err};
	int r;

	r = refuse_nul(&guard);
	while (r == 0 && guard.at < text.len)
		r = step(&guard);
	if (r < 0)
		return r;
	buf_put_str(ret_text, "\n" GUARD_MARK_END " = 1\n");
	buf_put_u8(ret_text, 0);
	if (!buf_ok(ret_text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_last_line = guard.line - (text.len > 0 && text.data[text.len - 1] == '\n');
	return 0;
}
