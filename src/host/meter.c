/* SPDX-License-Identifier: Apache-2.0 */
/* Words between spaces and line ends; every number is checked before it grows over 64 bits. */
#include "host/meter.h"

#include "base/mem.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The next word; empty at the end. */
static struct slice next_word(struct slice *rest)
{
	struct slice word;
	size_t start = 0, end;

	while (start < rest->len && is_space(rest->data[start]))
		start++;
	end = start;
	while (end < rest->len && !is_space(rest->data[end]))
		end++;
	if (end == start) {
		*rest = slice_of(NULL, 0);
		return *rest;
	}
	word = slice_of(rest->data + start, end - start);
	*rest = slice_of(rest->data + end, rest->len - end);
	return word;
}

static bool parse_decimal(struct slice word, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i;

	if (word.len == 0)
		return false;
	for (i = 0; i < word.len; i++) {
		unsigned digit = (unsigned)word.data[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

static bool parse_value(struct slice word, uint64_t *ret_value)
{
	if (slice_equal(word, slice_str("max")) || slice_equal(word, slice_str("-1"))) {
		*ret_value = METER_NONE;
		return true;
	}
	return parse_decimal(word, ret_value);
}

bool meter_number(struct slice text, uint64_t *ret_value)
{
	struct slice word = next_word(&text);
	uint64_t value;

	if (!parse_value(word, &value) || next_word(&text).len > 0)
		return false;
	*ret_value = value;
	return true;
}

bool meter_field(struct slice text, const char *name, uint64_t *ret_value)
{
	struct slice word, value;

	do {
		word = next_word(&text);
		value = next_word(&text);
		if (slice_equal(word, slice_str(name)))
			return parse_decimal(value, ret_value);
	} while (value.len > 0);
	return false;
}

bool meter_quota(struct slice text, uint64_t *ret_millicores)
{
	struct slice quota_word = next_word(&text), period_word = next_word(&text);
	uint64_t quota, period;

	if (!parse_value(quota_word, &quota) || !parse_decimal(period_word, &period) ||
	    period == 0 || next_word(&text).len > 0)
		return false;
	*ret_millicores = quota > UINT64_MAX / 1000 ? METER_NONE : quota * 1000 / period;
	return true;
}

/* --- /proc/PID/net/dev --- */

/* Columns behind the name: eight of what was received, eight of what was sent. */
static const struct {
	size_t column;
	size_t offset;
} COLUMNS[] = {
	{0, offsetof(struct meter_interface, rx_bytes)},
	{1, offsetof(struct meter_interface, rx_packets)},
	{8, offsetof(struct meter_interface, tx_bytes)},
	{9, offsetof(struct meter_interface, tx_packets)},
};
#define COLUMN_COUNT 16u
#define HEADER_LINES 2u

static struct slice next_line(struct slice *rest)
{
	struct slice line = *rest;
	size_t len = 0;

	while (len < rest->len && rest->data[len] != '\n')
		len++;
	*rest = len < line.len ? slice_of(line.data + len + 1, line.len - len - 1)
			       : slice_of(NULL, 0);
	line.len = len;
	return line;
}

/* "eth0:" with spaces before it; the numbers may follow at once. */
static bool parse_name(struct slice *line, struct meter_interface *ret_interface)
{
	size_t start = 0, end;

	while (start < line->len && is_space(line->data[start]))
		start++;
	for (end = start; end < line->len && line->data[end] != ':'; end++)
		if (is_space(line->data[end]) || line->data[end] == '/' || line->data[end] == 0)
			return false;
	if (end == line->len || end == start || end - start > METER_INTERFACE_NAME_MAX)
		return false;
	memcpy(ret_interface->name, line->data + start, end - start);
	ret_interface->name[end - start] = '\0';
	*line = slice_of(line->data + end + 1, line->len - end - 1);
	return true;
}

static bool parse_interface(struct slice line, struct meter_interface *ret_interface)
{
	uint64_t values[COLUMN_COUNT];
	size_t i;

	if (!parse_name(&line, ret_interface))
		return false;
	for (i = 0; i < COLUMN_COUNT; i++)
		if (!parse_decimal(next_word(&line), &values[i]))
			return false;
	for (i = 0; i < ARRAY_LEN(COLUMNS); i++)
		memcpy((uint8_t *)ret_interface + COLUMNS[i].offset, &values[COLUMNS[i].column],
		       sizeof(uint64_t));
	return next_word(&line).len == 0;
}

bool meter_interfaces(struct slice text, struct meter_interface *ret_list, size_t max,
		      size_t *ret_count)
{
	size_t count = 0, i;

	for (i = 0; i < HEADER_LINES; i++)
		(void)next_line(&text);
	while (text.len > 0 && count < max) {
		if (!parse_interface(next_line(&text), &ret_list[count]))
			return false;
		count++;
	}
	*ret_count = count;
	return true;
}
