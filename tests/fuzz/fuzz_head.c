/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a server answers: the head, its times and ranges, and URLs that it redirects to. A part that
 * is taken begins where it was to and lies within its total; a URL that is taken without being
 * encrypted names a loopback address, or no address.
 */

#include <netinet/in.h>
#include <string.h>

#include "fetch/head.h"
#include "fetch/url.h"
#include "tests/fuzz/fuzz.h"

#define NOW  1700000000
#define FROM 5u
#define MAX  1000u

static void check_text(const char *text)
{
	size_t i, len = strnlen(text, HEAD_TEXT_MAX);

	FUZZ_REQUIRE(len < HEAD_TEXT_MAX);
	for (i = 0; i < len; i++)
		FUZZ_REQUIRE((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_whole(const struct head *head)
{
	const struct fetch_head *told = &head->told;
	struct err err = {0};
	int r = head_check(head, FROM, MAX, &err);

	check_text(told->type);
	check_text(told->etag);
	check_text(told->modified);
	FUZZ_REQUIRE(told->status >= 200);
	FUZZ_REQUIRE(told->status == 206 || (told->first == 0 && told->total == 0));
	if (r < 0) {
		FUZZ_REQUIRE(r == err.code && err.text[0]);
		return;
	}
	FUZZ_REQUIRE(!told->length_known || told->length <= MAX);
	if (told->status != 206)
		return;
	FUZZ_REQUIRE(told->first == FROM && head->last >= FROM && head->last < told->total);
	FUZZ_REQUIRE(head->last - FROM + 1 <= MAX);
	FUZZ_REQUIRE(!told->length_known || told->length == head->last - FROM + 1);
	FUZZ_EITHER(head_check(head, 0, MAX, &err) == 0);
}

static void check_head(struct slice text)
{
	struct head head = {.size = 0};
	struct err err = {0};
	const uint8_t *end;
	bool whole;
	size_t len;

	for (; text.len > 0; text = slice_of(text.data + len, text.len - len)) {
		end = memchr(text.data, '\n', text.len);
		len = end ? (size_t)(end - text.data) + 1 : text.len;
		whole = head.whole;
		if (head_feed(&head, slice_of(text.data, len), NOW, &err) < 0)
			return;
		FUZZ_REQUIRE(head.size <= HEAD_MAX && (!whole || head.whole));
		if (head.whole)
			check_whole(&head);
	}
}

static void check_values(const char *text)
{
	uint64_t first, last, total;

	if (head_parse_range(text, &first, &last, &total))
		FUZZ_REQUIRE(first <= last && last < total && strpbrk(text, "-/"));
	if (head_parse_retry(text, NOW) > 0)
		FUZZ_REQUIRE(text[0] != '-' && text[0] != '\0');
}

static void check_url(const char *url)
{
	static const enum url_plain kinds[] = {URL_PLAIN_NEVER, URL_PLAIN_LOCAL, URL_PLAIN_SOCKET};
	struct url_origin origin, same;
	struct err err = {0};
	bool taken[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		taken[i] = url_check(url, kinds[i], &origin, &err) == 0;
		if (!taken[i])
			continue;
		FUZZ_REQUIRE(strnlen(origin.text, sizeof(origin.text)) < sizeof(origin.text));
		FUZZ_REQUIRE(origin.secure || i > 0);
		FUZZ_REQUIRE(!strchr(url, '@') || strchr(url, '@') > strpbrk(url + 8, "/?#"));
		FUZZ_REQUIRE(url_check(url, kinds[i], &same, &err) == 0);
		FUZZ_REQUIRE(url_same_origin(&origin, &same));
	}
	/* Each kind takes what the one before does. */
	FUZZ_REQUIRE((!taken[0] || taken[1]) && (!taken[1] || taken[2]));
	FUZZ_REQUIRE((fetch_check_url(url, true, &err) == 0) == taken[1]);
	FUZZ_REQUIRE((fetch_check_url(url, false, &err) == 0) == taken[0]);
}

static void check_address(struct slice bytes)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};

	memcpy(&address, bytes.data, bytes.len < sizeof(address) ? bytes.len : sizeof(address));
	if (!url_is_loopback((const struct sockaddr *)&address))
		return;
	FUZZ_REQUIRE(address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

static void check_escape(struct slice text)
{
	CLEANUP(buf_fini) struct buf escaped = BUF_INIT(4096);
	struct err err = {0};
	size_t i;

	if (fetch_escape(text, true, &escaped, &err) < 0) {
		FUZZ_REQUIRE(text.len > 4096 / 3 && escaped.len == 0);
		return;
	}
	FUZZ_REQUIRE(escaped.len >= text.len && escaped.len <= 3 * text.len);
	for (i = 0; i < escaped.len; i++)
		FUZZ_REQUIRE(escaped.data[i] > ' ' && escaped.data[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[16385];

	if (size == 0 || size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_head(slice_of(data, size));
	check_values(text);
	check_url(text);
	check_address(slice_of(data, size));
	check_escape(slice_of(data, size));
	return 0;
}
