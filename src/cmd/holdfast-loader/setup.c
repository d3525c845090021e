/* SPDX-License-Identifier: Apache-2.0 */
/* Each part of it is a step of a table; the first that fails ends the start. */
#include "cmd/holdfast-loader/setup.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "artifact/fingerprint.h"
#include "base/file.h"
#include "base/secret.h"
#include "cmd/holdfast-loader/machine.h"
#include "conf/text.h"
#include "crypto/x509.h"
#include "docker/docker.h"

#define TOKEN_MAX  512u
#define PEM_MAX	   (256u * 1024u)
#define CACHE_MODE 0700

static const char AGENT[] = "holdfast-loader/" HOLDFAST_VERSION;

/* --- addresses --- */

static int check_url(const struct setup *setup, const char *key, const char *url, struct err *err)
{
	if (url && fetch_check_url(url, setup->dev, err) < 0)
		return err_wrap(err, "%s", key);
	return 0;
}

int setup_check_address(const struct setup *setup, const struct listen_address *address,
			struct err *err)
{
	if (setup->dev && !listen_is_loopback(address))
		return err_set(err, ERR_INVALID,
			       "dev is for one machine; allowed: listen on a loopback's address");
	return 0;
}

static int check_addresses(struct setup *setup, struct err *err)
{
	const struct conf_loader *conf = setup->conf;
	int r;

	r = check_url(setup, "api_url", conf->api_url, err);
	if (r == 0)
		r = check_url(setup, "cdn_url", conf->cdn_url, err);
	if (r == 0)
		r = check_url(setup, "s3 { endpoint }", conf->s3.endpoint, err);
	if (r < 0)
		return r;
	if (listen_parse(conf->listen, &setup->address, err) < 0)
		return err_wrap(err, "listen");
	return setup_check_address(setup, &setup->address, err);
}

/* --- the CDN --- */

/* "s3.example.com" as a URL; one that has a scheme stays. */
static int put_endpoint(const char *host, bool dev, struct buf *ret_url, struct err *err)
{
	buf_printf(ret_url, "%s%s", strstr(host, "://") ? "" : "https://", host);
	buf_put_u8(ret_url, 0);
	if (!buf_ok(ret_url))
		return err_set(err, ERR_INVALID, "the CDN's host is too long");
	return fetch_check_url((const char *)ret_url->data, dev, err);
}

static int put_text(struct buf *buf, const char *text, struct err *err)
{
	if (text)
		buf_put(buf, slice_of(text, strlen(text) + 1));
	return buf_ok(buf) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* struct loader_config.parse_cdn: what a server sends is checked like what a file says. */
static int parse_cdn(void *arg, struct slice yaml, struct loader_cdn *ret_cdn, struct err *err)
{
	const struct setup *setup = arg;
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	int r;

	r = conf_cdn_parse(yaml, &cdn, err);
	if (r == 0)
		r = put_endpoint(cdn->host, setup->dev, &ret_cdn->endpoint, err);
	if (r == 0)
		r = put_text(&ret_cdn->reader_key, cdn->reader_key, err);
	if (r == 0)
		r = put_text(&ret_cdn->writer_key, cdn->writer_key, err);
	if (r < 0)
		return r;
	ret_cdn->reader_secret = TAKE(cdn->reader_secret);
	ret_cdn->writer_secret = TAKE(cdn->writer_secret);
	return 0;
}

static int read_cdn(struct setup *setup, struct err *err)
{
	const struct conf_s3 *s3 = &setup->conf->s3;
	int r;

	if (!s3->credentials_file)
		return 0;
	r = conf_cdn_read(s3->credentials_file, &setup->cdn, err);
	if (r < 0)
		return r;
	if (s3->endpoint)
		return 0;
	if (!setup->cdn->host)
		return err_set(err, ERR_INVALID,
			       "s3 has no endpoint, and its credentials_file no host");
	return put_endpoint(setup->cdn->host, setup->dev, &setup->endpoint, err);
}

/* --- files --- */

static int read_salts(struct setup *setup, struct err *err)
{
	return conf_salts_read(setup->conf->salts_file, &setup->salts, err);
}

int setup_token(const struct conf_loader *conf, struct secret **ret_token, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TOKEN_MAX + 3);
	struct slice text;
	size_t i;
	int r;

	if (!conf->token_file)
		return 0;
	r = text_read(conf->token_file, TEXT_SECRET, &bytes, err);
	if (r < 0)
		return r;
	text = buf_slice(&bytes);
	while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	for (i = 0; i < text.len && text.data[i] > ' ' && text.data[i] <= '~'; i++)
		;
	if (i == 0 || i != text.len || i > TOKEN_MAX)
		return err_set(err, ERR_INVALID,
			       "%s: allowed: a line of 1 to %u visible characters",
			       text_name(conf->token_file), TOKEN_MAX);
	return secret_copy(text, ret_token, err);
}

static int read_token(struct setup *setup, struct err *err)
{
	return setup_token(setup->conf, &setup->token, err);
}

static int read_fingerprint(struct setup *setup, struct err *err)
{
	const char *path = setup->conf->fingerprint_file;
	int r;

	if (!path)
		return 0;
	r = text_read(path, TEXT_OURS, &setup->fingerprint, err);
	if (r < 0)
		return r;
	if (fingerprint_pinned(buf_slice(&setup->fingerprint), &setup->loader.fingerprint, err) < 0)
		return err_wrap(err, "%s", text_name(path));
	return 0;
}

/* Without a file nothing is an anchor. */
static int read_pem(const char *path, struct buf *ret_anchors, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	int r;

	if (!path || path[0] == '\0')
		return 0;
	r = text_read(path, TEXT_OURS, &pem, err);
	if (r < 0)
		return r;
	if (x509_chain_of_pem(buf_slice(&pem), ret_anchors, err) < 0)
		return err_wrap(err, "%s", text_name(path));
	if (ret_anchors->len == 0)
		return err_set(err, ERR_INVALID, "%s: there is no certificate", text_name(path));
	return 0;
}

static int read_anchors(struct setup *setup, struct err *err)
{
	int r = read_pem(setup->conf->trust_anchors, &setup->anchors, err);

	return r < 0 ? r : read_pem(setup->conf->manifest_anchors, &setup->manifest_anchors, err);
}

/* --- folders --- */

static int open_cache(struct setup *setup, struct err *err)
{
	if (file_open_dir(AT_FDCWD, setup->conf->cache_dir, true, CACHE_MODE, &setup->cache_dir,
			  err) < 0)
		return err_wrap(err, "cache_dir %s", text_name(setup->conf->cache_dir));
	return 0;
}

/* --- what they make together --- */

static struct slice salt(const struct secret *secret)
{
	return secret ? secret_slice(secret) : slice_of(NULL, 0);
}

static void fill_cdn(struct setup *setup)
{
	const struct conf_loader *conf = setup->conf;
	struct loader_config *loader = &setup->loader;

	loader->cdn_url = conf->cdn_url;
	loader->s3_region = conf->s3.region;
	loader->s3_bucket = conf->s3.bucket;
	loader->parse_cdn = parse_cdn;
	loader->parse_arg = setup;
	if (!setup->cdn)
		return;
	loader->s3_endpoint =
		conf->s3.endpoint ? conf->s3.endpoint : (const char *)setup->endpoint.data;
	loader->reader_key = setup->cdn->reader_key;
	loader->reader_secret = setup->cdn->reader_secret;
	loader->writer_key = setup->cdn->writer_key;
	loader->writer_secret = setup->cdn->writer_secret;
}

/* A tag stands behind the last slash; before it there may be a registry's port. */
static bool has_tag(const char *ref)
{
	const char *name = strrchr(ref, '/');

	return strchr(name ? name : ref, ':') != NULL;
}

static int add_image(struct setup *setup, size_t i, struct err *err)
{
	const struct conf_image *image = &setup->conf->images[i];
	const char *ref = image->ref;
	int len = snprintf(setup->refs[i], sizeof(setup->refs[i]), "%s%s%s", ref,
			   has_tag(ref) ? "" : ":", has_tag(ref) ? "" : setup->conf->version);

	if (len >= (int)sizeof(setup->refs[i]))
		return err_set(err, ERR_INVALID, "images: %.60s is too long", ref);
	if (docker_check_ref(setup->refs[i], err) < 0)
		return err_wrap(err, "images: %.60s", setup->refs[i]);
	setup->images[i] = (struct loader_image){.ref = setup->refs[i], .id = image->id};
	return 0;
}

/* "registry/app" with the configured tag. */
static int fill_images(struct setup *setup, struct err *err)
{
	const struct conf_loader *conf = setup->conf;
	size_t i;
	int r = 0;

	if (conf->image_count > LOADER_IMAGES)
		return err_set(err, ERR_INVALID, "images has too many entries");
	for (i = 0; r == 0 && i < conf->image_count; i++)
		r = add_image(setup, i, err);
	if (r < 0)
		return r;
	setup->loader.images = setup->images;
	setup->loader.image_count = conf->image_count;
	return 0;
}

/* "folder/name", which the configuration has seen to; the longest names have more rules. */
static int fill_artifact(struct setup *setup, struct err *err)
{
	const char *text = setup->conf->images_artifact;
	const char *slash = text ? strchr(text, '/') : NULL;
	struct resource *resource = &setup->loader.images_artifact;

	if (!slash)
		return 0;
	*resource = (struct resource){.folder = slice_of(text, (size_t)(slash - text)),
				      .name = slice_str(slash + 1)};
	return resource_check_artifact(resource, err) < 0 ? err_wrap(err, "images_artifact") : 0;
}

static enum loader_form form_of(const char *word)
{
	static const char *const FORMS[] = {
		[LOADER_V1] = "v1", [LOADER_NEWEST] = "newest", [LOADER_V2] = "v2"};
	enum loader_form form = LOADER_V1;

	while (form + 1u < ARRAY_LEN(FORMS) && strcmp(FORMS[form], word) != 0)
		form++;
	return form;
}

/* The formula takes some of them, uploads one more; the values do not matter. */
static int check_salts(const struct setup *setup, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *user = NULL, *fleet = NULL;
	const struct loader_config *loader = &setup->loader;
	const struct v1_user anybody = {
		.email = slice_str("-"),
		.password = slice_str("-"),
		.fingerprint = slice_str("-"),
	};
	int r = v1_key_user(loader->formula, &loader->salts, &anybody, &user, err);

	if (r == 0)
		r = v1_key_resource(&loader->salts, &fleet, err);
	return r < 0 ? err_wrap(err, "%s", text_name(setup->conf->salts_file)) : 0;
}

static int fill(struct setup *setup, struct err *err)
{
	const struct conf_loader *conf = setup->conf;
	struct loader_config *loader = &setup->loader;
	int r;

	r = v1_formula_of_name(conf->formula, &loader->formula, err);
	if (r == 0)
		r = fill_images(setup, err);
	if (r == 0)
		r = fill_artifact(setup, err);
	if (r < 0)
		return r;
	fill_cdn(setup);
	loader->api_url = conf->api_url;
	loader->cache_dir = setup->cache_dir;
	loader->import_dir = conf->import_dir;
	loader->salts = (struct v1_salts){
		.prefix = salt(setup->salts->prefix),
		.hw = salt(setup->salts->hw),
		.api = salt(setup->salts->api),
		.resource = salt(setup->salts->resource),
	};
	r = check_salts(setup, err);
	if (r < 0)
		return r;
	loader->machine = machine_fingerprint;
	loader->anchors = buf_slice(&setup->anchors);
	loader->manifest_anchors = buf_slice(&setup->manifest_anchors);
	loader->load_form = form_of(conf->load_form);
	loader->unsigned_denied = conf->unsigned_denied;
	loader->unsigned_import = conf->unsigned_import;
	loader->resource_max = conf->resource_max;
	loader->downloads = conf->downloads;
	loader->dev = setup->dev;
	loader->images_path = conf->images_path;
	loader->docker_socket = conf->docker_socket;
	setup->fetch = (struct fetch_config){
		.dev = setup->dev,
		.ca_file = conf->ca_file,
		.client_cert = conf->client_cert,
		.client_key = conf->client_key,
		.agent = AGENT,
	};
	return 0;
}

int setup_read(struct setup *setup, const struct conf_loader *conf, bool dev, struct err *err)
{
	static int (*const STEPS[])(struct setup * setup, struct err * err) = {
		check_addresses,  read_salts,	read_cdn,   read_token,
		read_fingerprint, read_anchors, open_cache, fill,
	};
	size_t i;
	int r = 0;

	setup->conf = conf;
	setup->dev = dev || conf->dev;
	for (i = 0; r == 0 && i < ARRAY_LEN(STEPS); i++)
		r = STEPS[i](setup, err);
	return r;
}

void setup_fini(struct setup *setup)
{
	conf_salts_free(setup->salts);
	conf_cdn_free(setup->cdn);
	buf_fini(&setup->endpoint);
	secret_free(setup->token);
	buf_fini(&setup->fingerprint);
	buf_fini(&setup->anchors);
	buf_fini(&setup->manifest_anchors);
	fd_close_cleanup(&setup->cache_dir);
}

/* --- Host headers --- */

/* In lower case, as they are compared. */
static void add_host(struct setup_hosts *hosts, const char *name, const char *port)
{
	size_t begin = hosts->storage.len;

	buf_printf(&hosts->storage, "%s%s", name, port);
	buf_put_u8(&hosts->storage, 0);
	for (; begin < hosts->storage.len; begin++)
		hosts->storage.data[begin] = (uint8_t)tolower(hosts->storage.data[begin]);
	hosts->count++;
}

static int default_hosts(const struct listen_address *bound, struct setup_hosts *hosts,
			 struct err *err)
{
	static const char *const LOOPBACKS[] = {"127.0.0.1", "localhost", "[::1]"};
	char own[LISTEN_TEXT_MAX], port[8] = "";
	const char *at;
	char *colon;
	size_t i;

	listen_print(bound, own);
	colon = strncmp(own, "unix:", 5) == 0 ? NULL : strrchr(own, ':');
	if (colon) {
		(void)snprintf(port, sizeof(port), "%s", colon);
		*colon = '\0';
		add_host(hosts, own, "");
		add_host(hosts, own, port);
	}
	for (i = 0; i < ARRAY_LEN(LOOPBACKS); i++) {
		add_host(hosts, LOOPBACKS[i], "");
		if (colon)
			add_host(hosts, LOOPBACKS[i], port);
	}
	if (!buf_ok(&hosts->storage))
		return err_set(err, ERR_INTERNAL, "memory is short");
	at = (const char *)hosts->storage.data;
	for (i = 0; i < hosts->count; i++, at += strlen(at) + 1)
		hosts->names[i] = at;
	return 0;
}

int setup_hosts(const struct conf_loader *conf, const struct listen_address *bound,
		struct setup_hosts *ret_hosts, struct err *err)
{
	size_t i;

	if (conf->hosts.count == 0)
		return default_hosts(bound, ret_hosts, err);
	if (conf->hosts.count > ARRAY_LEN(ret_hosts->names))
		return err_set(err, ERR_INVALID, "hosts has too many entries");
	for (i = 0; i < conf->hosts.count; i++)
		ret_hosts->names[i] = conf->hosts.items[i];
	ret_hosts->count = conf->hosts.count;
	return 0;
}

void setup_hosts_fini(struct setup_hosts *hosts)
{
	buf_fini(&hosts->storage);
}
