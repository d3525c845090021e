/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a request's head that are ours. They stand in a buffer that is wiped, and libcurl
 * borrows them. It puts the head together in memory of its own, though, which it frees without
 * wiping; the same goes for a body that it sends in one piece with the head (up to 64 KiB), for its
 * receive buffer and for what OpenSSL keeps of a connection.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fetch/impl.h"

#define HEADERS_MAX 64u
#define OWN_LINES   5u /* Authorization, Range, If-Range, and two that libcurl is not to add */

static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*text)
		return false;
	for (; *text; text++)
		if (!(*text >= '0' && *text <= '9') && !(*text >= 'a' && *text <= 'z') &&
		    !(*text >= 'A' && *text <= 'Z') && !strchr(others, *text))
			return false;
	return true;
}

static bool is_value(struct slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	return true;
}

static int add_line(struct fetch_transfer *transfer, const char *name, struct slice value,
		    bool credential, struct err *err)
{
	struct fetch_line *line = &transfer->line_list[transfer->line_count];

	if (!is_token(name) || !is_value(value))
		return err_set(err, ERR_INVALID, "a header cannot be sent as it is");
	line->at = transfer->lines.len;
	line->credential = credential;
	buf_put_str(&transfer->lines, name);
	/* libcurl takes "Name:" for one to leave out, and "Name;" for an empty one. */
	buf_put_str(&transfer->lines, value.len > 0 ? ": " : ";");
	buf_put(&transfer->lines, value);
	buf_put_u8(&transfer->lines, 0);
	if (!buf_ok(&transfer->lines))
		return err_set(err, ERR_INVALID, "the headers of a request are too long");
	transfer->line_count++;
	return 0;
}

static int add_own_lines(struct fetch_transfer *transfer, const struct fetch_request *request,
			 struct err *err)
{
	char range[40];
	int r = 0;

	if (request->bearer) {
		CLEANUP(buf_fini) struct buf value = BUF_INIT(FETCH_LINES_MAX);

		buf_put_str(&value, "Bearer ");
		buf_put(&value, secret_slice(request->bearer));
		if (!buf_ok(&value))
			return err_set(err, ERR_INVALID, "a token is too long");
		r = add_line(transfer, "Authorization", buf_slice(&value), true, err);
	}
	if (r == 0 && request->from > 0) {
		(void)snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", request->from);
		r = add_line(transfer, "Range", slice_str(range), false, err);
	}
	if (r == 0 && request->from > 0 && request->if_range)
		r = add_line(transfer, "If-Range", slice_str(request->if_range), false, err);
	return r;
}

/* "Expect:" would cost a round trip, and a form's type is not ours. */
static int add_removals(struct fetch_transfer *transfer, bool typed, struct err *err)
{
	static const char *const names[] = {"Expect:", "Content-Type:"};
	size_t i;

	for (i = 0; i < (typed ? 1u : 2u); i++) {
		transfer->line_list[transfer->line_count++].at = transfer->lines.len;
		buf_put(&transfer->lines, slice_of(names[i], strlen(names[i]) + 1));
	}
	return buf_ok(&transfer->lines) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int transfer_add_lines(struct fetch_transfer *transfer, const struct fetch_request *request,
		       struct err *err)
{
	bool typed = false;
	size_t i;
	int r;

	if (request->header_count > HEADERS_MAX)
		return err_set(err, ERR_INVALID, "a request has too many headers");
	transfer->line_list =
		calloc(request->header_count + OWN_LINES, sizeof(*transfer->line_list));
	if (!transfer->line_list)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = add_own_lines(transfer, request, err);
	for (i = 0; i < request->header_count && r == 0; i++) {
		const struct fetch_header *header = &request->headers[i];

		typed = typed || strcasecmp(header->name, "Content-Type") == 0;
		r = add_line(transfer, header->name, slice_str(header->value), header->credential,
			     err);
	}
	return r == 0 ? add_removals(transfer, typed, err) : r;
}

/* No credentials for another than the first. */
struct curl_slist *transfer_lines(struct fetch_transfer *transfer)
{
	bool home = url_same_origin(&transfer->first, &transfer->now);
	struct curl_slist *first = NULL, **at = &first;
	size_t i;

	for (i = 0; i < transfer->line_count; i++) {
		struct fetch_line *line = &transfer->line_list[i];

		if (line->credential && !home)
			continue;
		line->node.data = (char *)transfer->lines.data + line->at;
		line->node.next = NULL;
		*at = &line->node;
		at = &line->node.next;
	}
	return first;
}
