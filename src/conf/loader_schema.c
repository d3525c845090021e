/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the loader and of its salts. Addresses are checked by their shape alone: whether one
 * may be asked or listened at is known by those who do it. */
#include <string.h>

#include "base/mem.h"
#include "conf/loader.h"
#include "conf/rule.h"
#include "conf/schema.h"

#define HOST_CHARS RULE_LOWER RULE_UPPER RULE_DIGITS ".-"

#define ADDRESS_MAX 100u /* a Unix socket's path has 107 bytes at most */
#define HOST_MAX    255u
#define URL_MAX	    1000u
#define BUCKET_MAX  63u
#define REF_MAX	    400u
#define TAG_MAX	    128u
#define ID	    "sha256:"
#define ID_DIGITS   64u
#define DEVICE_KEY  "holdfast:device"
#define PORT_LAST   65535u
#define PART_MAX    255u

static const struct schema_section SECTIONS[SCHEMA_LOADER_SECTION_COUNT] = {
	[SCHEMA_LOADER_ROOT] = {.name = "the top level", .parent = SCHEMA_LOADER_ROOT},
	[SCHEMA_LOADER_S3] = {.name = "s3", .parent = SCHEMA_LOADER_ROOT},
	[SCHEMA_LOADER_LEGACY] = {.name = "legacy", .parent = SCHEMA_LOADER_ROOT},
};

/* --- what texts must look like --- */

/* HOST or [IPV6], and a port where one is wanted or allowed. */
static bool is_host_port(const char *text, size_t len, bool need_port)
{
	char copy[HOST_MAX + 1];
	char *port;
	bool ipv6;
	size_t host;

	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	ipv6 = copy[0] == '[';
	port = ipv6 ? strchr(copy, ']') : strchr(copy, ':');
	if (ipv6 && port)
		*port++ = '\0';
	if ((ipv6 && !port) || (port && *port != ':' && *port != '\0'))
		return false;
	if (port && *port == ':')
		*port++ = '\0';
	else
		port = NULL;
	host = ipv6 ? 1 : 0;
	if (!rule_made_of(copy + host, ipv6 ? RULE_DIGITS "abcdefABCDEF:." : HOST_CHARS, HOST_MAX))
		return false;
	return port ? rule_is_decimal(port, PORT_LAST) : !need_port;
}

static bool is_listen(const char *text)
{
	size_t len = strlen(text);

	if (len > ADDRESS_MAX)
		return false;
	if (strncmp(text, "unix:", 5) == 0)
		return rule_is_absolute(text + 5) && text[len - 1] != '/';
	return is_host_port(text, len, true);
}

/* What stands behind the scheme; NULL when it is another. */
static const char *after_scheme(const char *text)
{
	static const char *const SCHEMES[] = {"https://", "http://"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(SCHEMES); i++)
		if (strncmp(text, SCHEMES[i], strlen(SCHEMES[i])) == 0)
			return text + strlen(SCHEMES[i]);
	return NULL;
}

/* Without a user, a query or a fragment: something is put behind it. */
static bool is_url(const char *text)
{
	const char *host = after_scheme(text);
	size_t len = 0;

	while (host && host[len] != '\0' && host[len] != '/')
		len++;
	return host && strlen(text) <= URL_MAX && is_host_port(host, len, false) &&
	       (host[len] == '\0' ||
		rule_made_of(host + len, RULE_LOWER RULE_UPPER RULE_DIGITS "/._~%-", URL_MAX));
}

/* As a header Host may be; compared in lower case. */
static bool is_host(const char *text)
{
	return text[strcspn(text, RULE_UPPER)] == '\0' && is_host_port(text, strlen(text), false);
}

static bool is_bucket(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_DIGITS ".-", BUCKET_MAX) &&
	       !strchr(".-", text[0]);
}

static bool is_region(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "-_", BUCKET_MAX);
}

static bool is_client_key(const char *text)
{
	return strcmp(text, DEVICE_KEY) == 0 || rule_is_absolute(text);
}

static bool is_tag(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "._-", TAG_MAX) &&
	       !strchr(".-", text[0]);
}

static bool is_image(const char *text)
{
	const char *id = strchr(text, '=');
	size_t len = id ? (size_t)(id - text) : strlen(text);

	if (len == 0 || len > REF_MAX || strchr("/.:-", text[0]) ||
	    strspn(text, RULE_LOWER RULE_UPPER RULE_DIGITS "._/:-") != len)
		return false;
	if (!id)
		return true;
	id++;
	return strncmp(id, ID, strlen(ID)) == 0 && strlen(id) == strlen(ID) + ID_DIGITS &&
	       rule_made_of(id + strlen(ID), RULE_DIGITS "abcdef", ID_DIGITS);
}

static bool is_part(const char *text, size_t len)
{
	char copy[PART_MAX + 1];

	if (len == 0 || len >= sizeof(copy) || text[0] == '.')
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return rule_made_of(copy, RULE_LOWER RULE_UPPER RULE_DIGITS "._-", PART_MAX);
}

static bool is_artifact(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash && is_part(text, (size_t)(slash - text)) &&
	       is_part(slash + 1, strlen(slash + 1));
}

static const struct schema_rule LISTEN = {
	is_listen, "HOST:PORT, [IPV6]:PORT or unix:/PATH, of up to 100 bytes"};
static const struct schema_rule URL = {
	is_url, "https://HOST[:PORT][/PATH] without user, query and fragment"};
static const struct schema_rule HOST = {is_host, "a header Host in lower case, such as gw-1:8080"};
static const struct schema_rule BUCKET = {is_bucket, "1 to 63 of a-z, 0-9, . and -"};
static const struct schema_rule REGION = {is_region, "1 to 63 letters, digits, - and _"};
static const struct schema_rule CLIENT_KEY = {is_client_key,
					      "an absolute path without .., or \"" DEVICE_KEY "\""};
static const struct schema_rule TAG = {is_tag, "an image's tag, such as 1.2"};
static const struct schema_rule ARTIFACT = {
	is_artifact, "FOLDER/NAME, each of 1 to 255 letters, digits, ., _ and -, no dot first"};
static const struct schema_rule IMAGE = {
	is_image, "NAME[:TAG], or NAME[:TAG]=sha256: and 64 digits of a-f and 0-9"};

/* --- keys --- */

static const struct schema_word FORMULAS[] = {{.word = "v1-hw"}, {.word = "v1-nohw"}, {0}};
static const struct schema_word FORMS[] = {{.word = "v1"}, {.word = "newest"}, {.word = "v2"}, {0}};
static const struct schema_word UNSIGNED[] = {{"allow", 0}, {"deny", 1}, {0}};
static const struct schema_word UNSIGNED_IMPORT[] = {{"allow", 1}, {"deny", 0}, {0}};

#define CONF(member)  offsetof(struct conf_loader, member)
#define SALTS(member) offsetof(struct conf_salts, member)

static const struct schema_field FIELDS[] = {
	{SCHEMA_LOADER_ROOT, "listen", SCHEMA_TEXT, CONF(listen), .def = "127.0.0.1:8080",
	 .rule = &LISTEN},
	{SCHEMA_LOADER_ROOT, "hosts", SCHEMA_LIST, CONF(hosts), .rule = &HOST},
	{SCHEMA_LOADER_ROOT, "token_file", SCHEMA_TEXT, CONF(token_file), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "api_url", SCHEMA_TEXT, CONF(api_url), .rule = &URL},
	{SCHEMA_LOADER_ROOT, "cdn_url", SCHEMA_TEXT, CONF(cdn_url), .rule = &URL},
	{SCHEMA_LOADER_ROOT, "ca_file", SCHEMA_TEXT, CONF(ca_file), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "client_cert", SCHEMA_TEXT, CONF(client_cert), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "client_key", SCHEMA_TEXT, CONF(client_key), .rule = &CLIENT_KEY},
	{SCHEMA_LOADER_ROOT, "dev", SCHEMA_BOOL, CONF(dev), .def = "false"},
	{SCHEMA_LOADER_ROOT, "cache_dir", SCHEMA_TEXT, CONF(cache_dir),
	 .def = "/var/cache/holdfast-loader", .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "import_dir", SCHEMA_TEXT, CONF(import_dir), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "rate_limit", SCHEMA_U64, CONF(rate_limit), .def = "0",
	 .max = UINT64_C(1) << 40},
	{SCHEMA_LOADER_ROOT, "resource_max", SCHEMA_U64, CONF(resource_max), .def = "8589934592",
	 .min = 1024, .max = UINT64_C(1) << 40},
	{SCHEMA_LOADER_ROOT, "downloads", SCHEMA_UINT, CONF(downloads), .def = "2", .min = 1,
	 .max = 16},
	{SCHEMA_LOADER_ROOT, "salts_file", SCHEMA_TEXT, CONF(salts_file), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "formula", SCHEMA_TEXT, CONF(formula), .def = "v1-hw",
	 .words = FORMULAS},
	{SCHEMA_LOADER_ROOT, "fingerprint_file", SCHEMA_TEXT, CONF(fingerprint_file),
	 .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "trust_anchors", SCHEMA_TEXT, CONF(trust_anchors),
	 .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "manifest_anchors", SCHEMA_TEXT, CONF(manifest_anchors),
	 .rule = &RULE_ABSOLUTE_OR_EMPTY},
	{SCHEMA_LOADER_ROOT, "load_form", SCHEMA_TEXT, CONF(load_form), .def = "v1",
	 .words = FORMS},
	{SCHEMA_LOADER_ROOT, "holdfast_socket", SCHEMA_TEXT, CONF(holdfast_socket),
	 .def = "/run/holdfast/holdfast.sock", .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "images_path", SCHEMA_TEXT, CONF(images_path), .rule = &RULE_ABSOLUTE},
	{SCHEMA_LOADER_ROOT, "images_artifact", SCHEMA_TEXT, CONF(images_artifact),
	 .rule = &ARTIFACT},
	{SCHEMA_LOADER_ROOT, "images", SCHEMA_LIST, CONF(image_list), .rule = &IMAGE},
	{SCHEMA_LOADER_ROOT, "version", SCHEMA_TEXT, CONF(version), .def = "latest", .rule = &TAG},
	{SCHEMA_LOADER_ROOT, "docker_socket", SCHEMA_TEXT, CONF(docker_socket),
	 .def = "/var/run/docker.sock", .rule = &RULE_ABSOLUTE},

	{SCHEMA_LOADER_S3, "endpoint", SCHEMA_TEXT, CONF(s3.endpoint), .rule = &URL},
	{SCHEMA_LOADER_S3, "region", SCHEMA_TEXT, CONF(s3.region), .def = "us-east-1",
	 .rule = &REGION},
	{SCHEMA_LOADER_S3, "bucket", SCHEMA_TEXT, CONF(s3.bucket), .rule = &BUCKET},
	{SCHEMA_LOADER_S3, "credentials_file", SCHEMA_TEXT, CONF(s3.credentials_file),
	 .rule = &RULE_ABSOLUTE},

	{SCHEMA_LOADER_LEGACY, "unsigned", SCHEMA_BOOL, CONF(unsigned_denied), .def = "allow",
	 .words = UNSIGNED},
	{SCHEMA_LOADER_LEGACY, "unsigned_import", SCHEMA_BOOL, CONF(unsigned_import), .def = "deny",
	 .words = UNSIGNED_IMPORT},
};

const struct schema SCHEMA_LOADER = {
	.sections = SECTIONS,
	.section_count = ARRAY_LEN(SECTIONS),
	.fields = FIELDS,
	.field_count = ARRAY_LEN(FIELDS),
	.manual = "holdfast-loader.conf(5)",
};

static const struct schema_section SALT_SECTIONS[] = {{.name = "the file"}};

static const struct schema_field SALT_FIELDS[] = {
	{SCHEMA_ROOT, "prefix", SCHEMA_SECRET, SALTS(prefix), .def = ""},
	{SCHEMA_ROOT, "hw", SCHEMA_SECRET, SALTS(hw), .def = ""},
	{SCHEMA_ROOT, "api", SCHEMA_SECRET, SALTS(api), .def = ""},
	{SCHEMA_ROOT, "resource", SCHEMA_SECRET, SALTS(resource), .def = ""},
};

const struct schema SCHEMA_SALTS = {
	.sections = SALT_SECTIONS,
	.section_count = ARRAY_LEN(SALT_SECTIONS),
	.fields = SALT_FIELDS,
	.field_count = ARRAY_LEN(SALT_FIELDS),
	.manual = "holdfast-loader.conf(5)",
	.secret = true,
};
