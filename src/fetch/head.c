/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each field that matters has a row in FIELDS. Fields are only taken in here; whether they fit what
 * was asked for is judged once, when the head is whole.
 */
#include "fetch/head.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define DIGITS_MAX 18u
#define VALUE_MAX  1024u

/* The number that @text begins with; what is behind it, or NULL. */
static const char *parse_number(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < DIGITS_MAX && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	if (i == 0 || (text[i] >= '0' && text[i] <= '9'))
		return NULL;
	*ret_value = value;
	return text + i;
}

bool head_parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last,
		      uint64_t *ret_total)
{
	uint64_t first, last, total;

	if (strncasecmp(text, "bytes ", 6) != 0)
		return false;
	text = parse_number(text + 6, &first);
	if (!text || *text != '-')
		return false;
	text = parse_number(text + 1, &last);
	if (!text || *text != '/')
		return false;
	text = parse_number(text + 1, &total);
	if (!text || *text != '\0' || first > last || last >= total)
		return false;
	*ret_first = first;
	*ret_last = last;
	*ret_total = total;
	return true;
}

uint32_t head_parse_retry(const char *text, int64_t now)
{
	const char *end;
	uint64_t seconds;
	int64_t date;

	end = parse_number(text, &seconds);
	if (end && *end == '\0')
		return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
	/* A date of one of three forms, all of which begin with the day's name. */
	date = isalpha((unsigned char)text[0]) ? curl_getdate(text, NULL) : -1;
	if (date <= now || now < 0)
		return 0;
	return date - now < UINT32_MAX ? (uint32_t)(date - now) : UINT32_MAX;
}

/* --- fields --- */

static void take_length(struct head *head, const char *value, int64_t now)
{
	uint64_t length;
	const char *end = parse_number(value, &length);

	(void)now;
	if (!end || *end != '\0' || (head->told.length_known && head->told.length != length))
		head->bad_length = true;
	head->told.length_known = true;
	head->told.length = head->bad_length ? 0 : length;
}

static void take_coding(struct head *head, const char *value, int64_t now)
{
	(void)now;
	if (head->chunked || strcasecmp(value, "chunked") != 0)
		head->bad_coding = true;
	head->chunked = true;
}

static void take_range(struct head *head, const char *value, int64_t now)
{
	(void)now;
	head->ranges++;
	if (!head_parse_range(value, &head->told.first, &head->last, &head->told.total))
		head->bad_range = true;
}

static void take_retry(struct head *head, const char *value, int64_t now)
{
	head->told.retry_after = head_parse_retry(value, now);
}

static void copy_text(char *text, const char *value)
{
	size_t i, len = strlen(value);

	if (len >= HEAD_TEXT_MAX)
		len = 0;
	for (i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			len = 0;
		else
			text[i] = value[i];
	}
	text[len] = '\0';
}

static void take_type(struct head *head, const char *value, int64_t now)
{
	(void)now;
	copy_text(head->type, value);
}

static void take_etag(struct head *head, const char *value, int64_t now)
{
	(void)now;
	copy_text(head->etag, value);
}

static void take_modified(struct head *head, const char *value, int64_t now)
{
	(void)now;
	copy_text(head->modified, value);
}

static void take_date(struct head *head, const char *value, int64_t now)
{
	(void)now;
	head->date = curl_getdate(value, NULL);
}

/* Of a file that changed again within the second, both versions would have the same date. */
static bool is_strong(const struct head *head)
{
	int64_t modified = head->modified[0] ? curl_getdate(head->modified, NULL) : -1;

	return modified > 0 && head->date > modified;
}

static const struct {
	const char *name;
	void (*take)(struct head *head, const char *value, int64_t now);
} FIELDS[] = {
	{"Content-Length", take_length},    {"Content-Range", take_range},
	{"Content-Type", take_type},	    {"ETag", take_etag},
	{"Last-Modified", take_modified},   {"Retry-After", take_retry},
	{"Transfer-Encoding", take_coding}, {"Date", take_date},
};

/* --- lines --- */

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct slice trim(struct slice text)
{
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	while (text.len > 0 && is_blank(text.data[0]))
		text = slice_of(text.data + 1, text.len - 1);
	return text;
}

static void take_field(struct head *head, struct slice line, int64_t now)
{
	const uint8_t *colon = memchr(line.data, ':', line.len);
	char value[VALUE_MAX];
	struct slice name, rest;
	size_t i;

	if (!colon)
		return;
	name = slice_of(line.data, (size_t)(colon - line.data));
	rest = trim(slice_of(colon + 1, line.len - name.len - 1));
	for (i = 0; i < ARRAY_LEN(FIELDS); i++) {
		if (strlen(FIELDS[i].name) != name.len ||
		    strncasecmp(FIELDS[i].name, (const char *)name.data, name.len) != 0)
			continue;
		/* What is too long for all of them becomes what none of them takes. */
		if (rest.len >= sizeof(value) || memchr(rest.data, '\0', rest.len))
			rest = slice_str("\x7f");
		memcpy(value, rest.data, rest.len);
		value[rest.len] = '\0';
		FIELDS[i].take(head, value, now);
	}
}

/* A status line begins a head anew, so that nothing of a 1xx remains. */
static void begin(struct head *head, struct slice line)
{
	size_t at = line.len > 8 ? 9 : line.len, size = head->size;
	unsigned status = 0, i;

	for (i = 0; i < 3 && at + i < line.len && isdigit(line.data[at + i]); i++)
		status = status * 10 + (unsigned)(line.data[at + i] - '0');
	*head = (struct head){.size = size, .told.status = i == 3 ? status : 0};
}

int head_feed(struct head *head, struct slice line, int64_t now, struct err *err)
{
	if (line.len > HEAD_MAX - head->size)
		return err_set(err, ERR_TOO_LARGE, "the head of the answer is over %u bytes",
			       HEAD_MAX);
	head->size += line.len;
	if (head->whole || line.len == 0)
		return 0;
	if (line.len > 5 && slice_equal(slice_of(line.data, 5), slice_str("HTTP/"))) {
		begin(head, line);
		return 0;
	}
	if (trim(line).len > 0) {
		take_field(head, line, now);
		return 0;
	}
	if (head->chunked) {
		head->told.length_known = false; /* RFC 9112, 6.3 */
		head->told.length = 0;
	}
	if (head->told.status != 206) {
		head->told.first = 0; /* of a 416 it says the total alone */
		head->told.total = 0;
	}
	head->told.type = head->type;
	head->told.etag = head->etag;
	head->told.modified = head->modified;
	head->told.modified_strong = is_strong(head);
	head->whole = head->told.status >= 200;
	return 0;
}

/* RFC 9110, 15.3.7: a 206 says what part it is, and it must be the one that was asked for. */
static int check_part(const struct head *head, uint64_t from, struct err *err)
{
	const struct fetch_head *told = &head->told;

	if (from == 0)
		return err_set(err, ERR_DAMAGED, "the answer is a part, and all was asked for");
	if (head->ranges != 1 || head->bad_range)
		return err_set(err, ERR_DAMAGED,
			       "the answer does not say which part of how much it is");
	if (told->first != from)
		return err_set(err, ERR_DAMAGED, "the answer is another part than was asked for");
	if (told->length_known && told->length != head->last - told->first + 1)
		return err_set(err, ERR_DAMAGED, "the answer's length is not that of its part");
	return 0;
}

int head_check(const struct head *head, uint64_t from, uint64_t max, struct err *err)
{
	const struct fetch_head *told = &head->told;
	uint64_t length = told->length_known ? told->length : 0;
	int r;

	if (told->status < 200 || told->status > 599)
		return err_set(err, ERR_DAMAGED, "the answer has no status of HTTP");
	if (head->bad_length)
		return err_set(err, ERR_DAMAGED, "the answer's length cannot be read");
	if (head->bad_coding)
		return err_set(err, ERR_DAMAGED, "the answer is encoded, which was not asked for");
	if (told->status == 206) {
		r = check_part(head, from, err);
		if (r < 0)
			return r;
		length = head->last - told->first + 1;
	}
	if (length > max)
		return err_set(err, ERR_TOO_LARGE, "the answer is over %" PRIu64 " bytes", max);
	return 0;
}
