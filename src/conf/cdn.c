/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdn.yaml comes from a server and is hostile: one document, one flat mapping of plain scalars. All
 * that YAML has beyond that (anchors, aliases, tags, nesting) is refused, and so is what is long.
 */
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "conf/loader.h"
#include "conf/text.h"

#define YAML_MAX  (64u * 1024u)
#define PAIRS_MAX 64u
#define KEY_MAX	  128u
#define VALUE_MAX 1024u

/* --- one event of the parser at a time --- */

struct walk {
	yaml_parser_t parser;
	yaml_event_t event;
	bool held; /* event is to be deleted */
	struct err *err;
};

static void walk_fini(struct walk *walk)
{
	if (walk->held)
		yaml_event_delete(&walk->event);
	yaml_parser_delete(&walk->parser);
}

static int refuse(struct walk *walk, const char *why)
{
	return err_set(walk->err, ERR_INVALID, "cdn.yaml, line %zu: %s", walk->parser.mark.line + 1,
		       why);
}

static int next(struct walk *walk)
{
	if (walk->held)
		yaml_event_delete(&walk->event);
	walk->held = yaml_parser_parse(&walk->parser, &walk->event) == 1;
	if (walk->held)
		return 0;
	if (walk->parser.error == YAML_MEMORY_ERROR)
		return err_set(walk->err, ERR_INTERNAL, "memory is short");
	return refuse(walk, "this is not YAML");
}

static int expect(struct walk *walk, yaml_event_type_t type)
{
	int r = next(walk);

	if (r < 0)
		return r;
	return walk->event.type == type
		       ? 0
		       : refuse(walk, "allowed: one mapping of texts, without anchors and nesting");
}

/* The scalar's text, with the NUL that libyaml puts behind it; borrowed until the next event. */
static int scalar(struct walk *walk, size_t max, struct slice *ret_text)
{
	struct slice text;

	if (walk->event.type != YAML_SCALAR_EVENT)
		return refuse(walk, "allowed: a text, no alias, list or mapping");
	if (walk->event.data.scalar.anchor || walk->event.data.scalar.tag)
		return refuse(walk, "anchors and tags are not allowed");
	text = slice_of(walk->event.data.scalar.value, walk->event.data.scalar.length);
	if (text.len > max || memchr(text.data, '\0', text.len))
		return refuse(walk, "a text is too long, or has a NUL");
	*ret_text = text;
	return 0;
}

/* --- what the keys mean --- */

enum member { HOST, READER_KEY, READER_SECRET, WRITER_KEY, WRITER_SECRET, MEMBERS };

static const char *const KEYS[MEMBERS] = {
	[HOST] = "host",
	[READER_KEY] = "downloader_access_key",
	[READER_SECRET] = "downloader_access_secret",
	[WRITER_KEY] = "uploader_access_key",
	[WRITER_SECRET] = "uploader_access_secret",
};

static enum member member_of(struct slice key)
{
	unsigned i;

	for (i = 0; i < MEMBERS; i++)
		if (slice_equal(key, slice_str(KEYS[i])))
			break;
	return (enum member)i;
}

/* They get into a URL and into headers. */
static bool is_visible(struct slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return text.len > 0;
}

static int store(struct walk *walk, struct conf_cdn *cdn, enum member member, struct slice text)
{
	char **const TEXTS[MEMBERS] = {
		[HOST] = &cdn->host,
		[READER_KEY] = &cdn->reader_key,
		[WRITER_KEY] = &cdn->writer_key,
	};
	struct secret **secret =
		member == READER_SECRET ? &cdn->reader_secret : &cdn->writer_secret;

	if (!is_visible(text))
		return refuse(walk, "a value is empty, or has blanks or other than ASCII");
	if (!TEXTS[member])
		return *secret ? refuse(walk, "a key stands twice")
			       : secret_copy(text, secret, walk->err);
	if (*TEXTS[member])
		return refuse(walk, "a key stands twice");
	*TEXTS[member] = strdup((const char *)text.data);
	return *TEXTS[member] ? 0 : err_set(walk->err, ERR_INTERNAL, "memory is short");
}

/* A key is the current event. */
static int pair(struct walk *walk, struct conf_cdn *cdn)
{
	struct slice text;
	enum member member;
	int r;

	r = scalar(walk, KEY_MAX, &text);
	if (r < 0)
		return r;
	member = member_of(text);
	r = next(walk);
	if (r < 0)
		return r;
	r = scalar(walk, VALUE_MAX, &text);
	if (r < 0 || member == MEMBERS)
		return r;
	return store(walk, cdn, member, text);
}

static int mapping(struct walk *walk, struct conf_cdn *cdn)
{
	size_t pairs;
	int r;

	if (walk->event.data.mapping_start.anchor || walk->event.data.mapping_start.tag)
		return refuse(walk, "anchors and tags are not allowed");
	for (pairs = 0; pairs <= PAIRS_MAX; pairs++) {
		r = next(walk);
		if (r < 0 || walk->event.type == YAML_MAPPING_END_EVENT)
			return r;
		r = pair(walk, cdn);
		if (r < 0)
			return r;
	}
	return refuse(walk, "too many keys");
}

static int document(struct walk *walk, struct conf_cdn *cdn)
{
	static const yaml_event_type_t BEFORE[] = {
		YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT, YAML_MAPPING_START_EVENT};
	static const yaml_event_type_t AFTER[] = {YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(BEFORE); i++)
		r = expect(walk, BEFORE[i]);
	if (r < 0)
		return r;
	r = mapping(walk, cdn);
	for (i = 0; r == 0 && i < ARRAY_LEN(AFTER); i++)
		r = expect(walk, AFTER[i]);
	return r;
}

static int check_whole(const struct conf_cdn *cdn, struct err *err)
{
	if (!cdn->reader_key || !cdn->reader_secret)
		return err_set(err, ERR_INVALID, "%s and %s are wanted", KEYS[READER_KEY],
			       KEYS[READER_SECRET]);
	if (!cdn->writer_key != !cdn->writer_secret)
		return err_set(err, ERR_INVALID, "%s and %s are there together, or neither",
			       KEYS[WRITER_KEY], KEYS[WRITER_SECRET]);
	return 0;
}

static int parse(struct slice yaml, struct conf_cdn **ret_cdn, struct err *err)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	CLEANUP(walk_fini) struct walk walk = {.err = err};
	int r;

	if (yaml.len > YAML_MAX)
		return err_set(err, ERR_INVALID, "the text is too long; allowed: 64 KiB");
	cdn = calloc(1, sizeof(*cdn));
	if (!cdn || !yaml_parser_initialize(&walk.parser))
		return err_set(err, ERR_INTERNAL, "memory is short");
	yaml_parser_set_encoding(&walk.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&walk.parser, yaml.data, yaml.len);
	r = document(&walk, cdn);
	if (r < 0)
		return r;
	r = check_whole(cdn, err);
	if (r < 0)
		return r;
	*ret_cdn = TAKE(cdn);
	return 0;
}

int conf_cdn_parse(struct slice yaml, struct conf_cdn **ret_cdn, struct err *err)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	int r;

	r = parse(yaml, &cdn, err);
	if (r < 0)
		return r;
	if (!cdn->host)
		return err_set(err, ERR_INVALID, "cdn.yaml: %s is wanted", KEYS[HOST]);
	*ret_cdn = TAKE(cdn);
	return 0;
}

int conf_cdn_read(const char *file, struct conf_cdn **ret_cdn, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(YAML_MAX + 1);
	int r;

	r = text_read(file, TEXT_SECRET, &bytes, err);
	if (r < 0)
		return r;
	r = parse(buf_slice(&bytes), ret_cdn, err);
	return r < 0 ? err_wrap(err, "%s", text_name(file)) : 0;
}

void conf_cdn_free(struct conf_cdn *cdn)
{
	if (!cdn)
		return;
	free(cdn->host);
	free(cdn->reader_key);
	free(cdn->writer_key);
	secret_free(cdn->reader_secret);
	secret_free(cdn->writer_secret);
	free(cdn);
}
