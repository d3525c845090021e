/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges (RFC 9110, 14). Who asks for something that is not known here, several ranges among it,
 * gets all: a server may always do that. Numbers that do not fit are as good as the largest.
 */
#include <microhttpd.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "http/impl.h"

/* Takes digits off *at; false when there is none. */
static bool take_number(const char **at, uint64_t *ret_number)
{
	const char *start = *at;
	uint64_t number = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		unsigned digit = (unsigned)(**at - '0');

		number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
	}
	*ret_number = number;
	return *at > start;
}

struct spec {
	bool has_first, has_last;
	uint64_t first, last; /* without a first one, the last is how many from the end */
};

static bool parse_spec(const char *range, struct spec *ret_spec)
{
	struct spec spec;

	if (strncasecmp(range, "bytes=", 6) != 0)
		return false;
	range += 6 + strspn(range + 6, " \t");
	spec.has_first = take_number(&range, &spec.first);
	if (*range++ != '-')
		return false;
	spec.has_last = take_number(&range, &spec.last);
	range += strspn(range, " \t");
	if (*range != '\0' || (!spec.has_first && !spec.has_last))
		return false;
	*ret_spec = spec;
	return !spec.has_first || !spec.has_last || spec.first <= spec.last;
}

/* False: nothing of @total bytes is asked for. */
static bool place(const struct spec *spec, uint64_t total, struct http_range *ret_range)
{
	uint64_t first = spec->first, end = total;

	if (!spec->has_first) {
		/* So many from the end; of nothing, that is all there is. */
		if (spec->last == 0 || total == 0)
			return spec->last > 0;
		first = spec->last < total ? total - spec->last : 0;
	} else if (spec->has_last && spec->last < total) {
		end = spec->last + 1;
	}
	if (first >= total)
		return false;
	*ret_range = (struct http_range){.part = true, .first = first, .length = end - first};
	return true;
}

bool http_range_parse(const char *range, const char *if_range, const char *etag, uint64_t total,
		      struct http_range *ret_range)
{
	struct http_range found = {.part = false, .first = 0, .length = total};
	bool asked = range && (!if_range || (etag && strcmp(if_range, etag) == 0));
	struct spec spec;

	if (asked && parse_spec(range, &spec) && !place(&spec, total, &found))
		return false;
	*ret_range = found;
	return true;
}

bool http_request_range(const struct http_request *request, uint64_t total, const char *etag,
			struct http_range *ret_range)
{
	const char *range = NULL;

	/* RFC 9110, 14.2: of GET alone. */
	if (request->route->method == HTTP_GET)
		range = http_request_header(request, MHD_HTTP_HEADER_RANGE);
	return http_range_parse(range, http_request_header(request, MHD_HTTP_HEADER_IF_RANGE), etag,
				total, ret_range);
}
