/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes are a constant table. Of two routes of one method that could both take a path, one must be
 * the other with words in the place of parameters, and is then preferred; http_routes_check()
 * refuses the rest. So the order of the table means nothing.
 */
#include <stdio.h>
#include <string.h>

#include "http/impl.h"

static const char *const METHODS[HTTP_METHODS] = {
	[HTTP_GET] = "GET",	  [HTTP_POST] = "POST", [HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE", [HTTP_HEAD] = "HEAD",
};

enum http_method http_method_of(const char *word)
{
	unsigned i;

	for (i = 0; i < HTTP_METHODS; i++)
		if (strcmp(word, METHODS[i]) == 0)
			break;
	return (enum http_method)i;
}

void http_allow_text(unsigned allowed, char ret_text[HTTP_ALLOW_SIZE])
{
	size_t len = 0;
	unsigned i;

	ret_text[0] = '\0';
	for (i = 0; i < HTTP_METHODS; i++)
		if (allowed & 1u << i)
			len += (size_t)snprintf(ret_text + len, HTTP_ALLOW_SIZE - len, "%s%s",
						len > 0 ? ", " : "", METHODS[i]);
}

/* Takes the next segment off *pattern, which stands before a slash or at the end. */
static struct slice next_segment(const char **pattern)
{
	const char *start = *pattern + 1;
	size_t len = strcspn(start, "/");

	*pattern = start + len;
	return slice_of(start, len);
}

static bool is_parameter(struct slice segment)
{
	return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

static bool is_root(const char *pattern)
{
	return strcmp(pattern, "/") == 0;
}

static bool pattern_takes(const char *pattern, const struct http_path *path)
{
	size_t i;

	if (is_root(pattern))
		return path->count == 0;
	for (i = 0; i < path->count && *pattern; i++) {
		struct slice segment = next_segment(&pattern);

		if (!is_parameter(segment) && !slice_equal(segment, slice_str(path->segments[i])))
			return false;
	}
	return i == path->count && !*pattern;
}

static size_t count_parameters(const char *pattern)
{
	size_t count = 0;

	while (*pattern)
		count += is_parameter(next_segment(&pattern));
	return count;
}

int http_route_find(const struct http_route *routes, size_t count, enum http_method method,
		    const struct http_path *path, const struct http_route **ret_route,
		    unsigned *ret_allowed, struct err *err)
{
	const struct http_route *found = NULL;
	unsigned allowed = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!pattern_takes(routes[i].path, path))
			continue;
		allowed |= 1u << routes[i].method;
		if (routes[i].method == method &&
		    (!found || count_parameters(routes[i].path) < count_parameters(found->path)))
			found = &routes[i];
	}
	if (found) {
		*ret_route = found;
		return 0;
	}
	if (allowed == 0)
		return err_set(err, ERR_NOT_FOUND, "no such path");
	*ret_allowed = allowed;
	(void)err_set(err, ERR_NOT_SUPPORTED, "this path does not take this method");
	return err_add_remedy(err, "Use one of the methods that the header Allow names.");
}

size_t http_route_parameter(const struct http_route *route, size_t n)
{
	const char *pattern = route->path;
	size_t i;

	for (i = 0; *pattern; i++)
		if (is_parameter(next_segment(&pattern)) && n-- == 0)
			return i;
	return HTTP_SEGMENTS_MAX;
}

/* Literal segments have no characters that would need an escape, nor stray braces. */
static bool segment_is_sound(struct slice segment)
{
	static const char SAFE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.";
	struct slice inner = segment;
	size_t i;

	if (is_parameter(segment))
		inner = slice_of(segment.data + 1, segment.len - 2);
	for (i = 0; i < inner.len; i++)
		if (inner.data[i] == '\0' || !strchr(SAFE, inner.data[i]))
			return false;
	return inner.len > 0 && inner.len <= HTTP_SEGMENT_MAX;
}

static bool pattern_is_sound(const char *pattern)
{
	size_t i;

	if (!pattern || pattern[0] != '/')
		return false;
	if (is_root(pattern))
		return true;
	for (i = 0; *pattern; i++)
		if (i == HTTP_SEGMENTS_MAX || !segment_is_sound(next_segment(&pattern)))
			return false;
	return true;
}

/* Is there a path that both take, and none of them is to be preferred? */
static bool patterns_clash(const char *a, const char *b)
{
	bool a_first = false, b_first = false; /* it has a word where the other has a parameter */

	if (is_root(a) || is_root(b))
		return is_root(a) && is_root(b);
	while (*a && *b) {
		struct slice x = next_segment(&a), y = next_segment(&b);

		if (!is_parameter(x) && !is_parameter(y) && !slice_equal(x, y))
			return false;
		a_first |= !is_parameter(x) && is_parameter(y);
		b_first |= is_parameter(x) && !is_parameter(y);
	}
	return !*a && !*b && a_first == b_first;
}

int http_routes_check(const struct http_route *routes, size_t count, struct err *err)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		bool streams = routes[i].body >= HTTP_BODY_STREAM_OR_JSON;

		if (!pattern_is_sound(routes[i].path) || !routes[i].handler ||
		    routes[i].method >= HTTP_METHODS ||
		    streams != (routes[i].stream_max > routes[i].octets_max))
			return err_set(err, ERR_INTERNAL, "route %zu is malformed", i);
		for (j = 0; j < i; j++)
			if (routes[i].method == routes[j].method &&
			    patterns_clash(routes[i].path, routes[j].path))
				return err_set(err, ERR_INTERNAL, "routes %zu and %zu clash", j, i);
	}
	return 0;
}
