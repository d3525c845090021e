/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References and ids are held against the engine's grammar before they go anywhere, so that what is
 * asked for is what the configuration says, and nothing of it can become another request. Then they
 * are escaped all the same.
 */
#include "docker/impl.h"

#include "base/base64.h"

#define NAME_MAX_LEN 255u /* of a reference without its tag, as the engine has it */
#define TAG_MAX_LEN  128u
#define DIGEST_LEN   32u
#define ID_PREFIX    "sha256:"
#define URL_BASE     "http://docker/v1.40/images/"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_alnum(uint8_t c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* How many bytes of a separator inside a component begin @text: ".", "_", "__" or dashes. */
static size_t separator(struct slice text)
{
	size_t n = 0;

	if (text.data[0] == '.')
		return 1;
	while (n < text.len && text.data[n] == text.data[0])
		n++;
	if (text.data[0] == '-')
		return n;
	return text.data[0] == '_' && n <= 2 ? n : 0;
}

static struct slice behind(struct slice text, size_t n)
{
	return slice_of(text.data + n, text.len - n);
}

static bool is_component(struct slice text)
{
	if (text.len == 0 || !is_lower(text.data[text.len - 1]))
		return false;
	for (size_t n = 0; text.len > 0; text = behind(text, n)) {
		if (!is_lower(text.data[0]))
			return false;
		for (n = 1; n < text.len && is_lower(text.data[n]);)
			n++;
		if (n < text.len) {
			size_t between = separator(behind(text, n));

			if (between == 0)
				return false;
			n += between;
		}
	}
	return true;
}

/* A host with an optional port; neither dots nor dashes at the edges of a label. */
static bool is_host(struct slice text)
{
	size_t port = 0;

	while (port < text.len && text.data[text.len - 1 - port] != ':')
		port++;
	if (port < text.len) {
		if (port < 1 || port > 5)
			return false;
		for (size_t i = text.len - port; i < text.len; i++)
			if (!is_digit(text.data[i]))
				return false;
		text.len -= port + 1;
	}
	for (size_t i = 0; i < text.len; i++) {
		bool edge = i == 0 || i + 1 == text.len || text.data[i - 1] == '.' ||
			    text.data[i + 1] == '.';

		if (!is_alnum(text.data[i]) &&
		    (edge || (text.data[i] != '.' && text.data[i] != '-')))
			return false;
	}
	return text.len > 0;
}

static bool is_name(struct slice name)
{
	bool first = true;

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return false;
	for (;;) {
		const uint8_t *slash = memchr(name.data, '/', name.len);
		struct slice part =
			slice_of(name.data, slash ? (size_t)(slash - name.data) : name.len);

		if (!is_component(part) && !(first && slash && is_host(part)))
			return false;
		if (!slash)
			return true;
		name = behind(name, part.len + 1);
		first = false;
		if (name.len == 0)
			return false;
	}
}

static bool is_tag(struct slice tag)
{
	if (tag.len == 0 || tag.len > TAG_MAX_LEN)
		return false;
	for (size_t i = 0; i < tag.len; i++) {
		uint8_t c = tag.data[i];

		if (!is_alnum(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
			return false;
	}
	return true;
}

/* Where the tag begins, behind the last colon that is not a port's; NULL: there is none. */
static const char *tag_of(const char *ref)
{
	const char *slash = strrchr(ref, '/');
	const char *colon = strrchr(slash ? slash : ref, ':');

	return colon ? colon + 1 : NULL;
}

static struct slice name_of(const char *ref)
{
	return slice_of(ref, (size_t)(tag_of(ref) - ref) - 1);
}

int docker_check_ref(const char *ref, struct err *err)
{
	const char *tag = tag_of(ref);

	if (!tag)
		return err_set(err, ERR_INVALID, "the image's name has no tag");
	if (!is_name(name_of(ref)) || !is_tag(slice_str(tag)))
		return err_set(err, ERR_INVALID,
			       "this is no name of an image: [registry/]name:tag");
	return 0;
}

int docker_check_id(const char *id, struct err *err)
{
	uint8_t digest[DIGEST_LEN];
	size_t prefix = strlen(ID_PREFIX);

	if (strncmp(id, ID_PREFIX, prefix) != 0 || strlen(id) != prefix + 2 * DIGEST_LEN ||
	    !hex_decode(slice_str(id + prefix), digest, DIGEST_LEN))
		return err_set(err, ERR_INVALID,
			       "this is no id of an image: sha256: and 64 lower hex digits");
	return 0;
}

static int end_url(struct buf *url, int r, struct err *err)
{
	if (r < 0)
		return r;
	buf_put_u8(url, '\0');
	return buf_ok(url) ? 0 : err_set(err, ERR_TOO_LARGE, "the request's URL is too long");
}

static int begin_url(const char *ref, struct buf *url, struct err *err)
{
	int r = docker_check_ref(ref, err);

	if (r < 0)
		return r;
	buf_put_str(url, URL_BASE);
	return 0;
}

int url_image(const char *ref, struct buf *ret_url, struct err *err)
{
	int r = begin_url(ref, ret_url, err);

	if (r == 0)
		r = fetch_escape(slice_str(ref), false, ret_url, err);
	buf_put_str(ret_url, "/json");
	return end_url(ret_url, r, err);
}

int url_untag(const char *ref, struct buf *ret_url, struct err *err)
{
	int r = begin_url(ref, ret_url, err);

	if (r == 0)
		r = fetch_escape(slice_str(ref), false, ret_url, err);
	buf_put_str(ret_url, "?noprune=true");
	return end_url(ret_url, r, err);
}

int url_tag(const char *id, const char *ref, struct buf *ret_url, struct err *err)
{
	int r = docker_check_id(id, err);

	if (r == 0)
		r = begin_url(ref, ret_url, err);
	if (r == 0)
		r = fetch_escape(slice_str(id), false, ret_url, err);
	buf_put_str(ret_url, "/tag?repo=");
	if (r == 0)
		r = fetch_escape(name_of(ref), false, ret_url, err);
	buf_put_str(ret_url, "&tag=");
	if (r == 0)
		r = fetch_escape(slice_str(tag_of(ref)), false, ret_url, err);
	return end_url(ret_url, r, err);
}

/* Not quiet: while it says how far it is, it lives. */
int url_load(struct buf *ret_url, struct err *err)
{
	buf_put_str(ret_url, URL_BASE "load?quiet=false");
	return end_url(ret_url, 0, err);
}
