/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's file and its salts: schema, reader, environment, and what only several keys together
 * can get wrong. The parser's own memory is not ours to wipe: salts that pass through it are kept
 * from leaving the process (no core dumps), not from staying in it.
 */
#include "conf/loader.h"

#include <string.h>

#include "base/buf.h"
#include "conf/reader.h"
#include "conf/schema.h"
#include "conf/text.h"
#include "conf/value.h"

#define IMAGES_MAX 32u
#define SALTS_MAX  (16u * 1024u)

/* --- the loader --- */

/* What wins over the file. */
static const struct {
	const char *variable;
	const char *key;
} ENVIRONMENT[] = {
	{"RESOURCE_API_URL", "api_url"},
	{"IMAGES_PATH", "images_path"},
	{"API_VERSION", "version"},
};

static const struct schema_field *field_of(const char *key)
{
	const struct schema_field *field = SCHEMA_LOADER.fields;

	while (field->section != SCHEMA_LOADER_ROOT || strcmp(field->key, key) != 0)
		field++;
	return field;
}

static int take_environment(struct conf_loader *conf, struct err *err)
{
	const char *text;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ENVIRONMENT); i++) {
		text = secure_getenv(ENVIRONMENT[i].variable);
		if (!text || text[0] == '\0')
			continue;
		if (value_store(field_of(ENVIRONMENT[i].key), conf, text, err) < 0)
			return err_wrap(err, "the environment's %s", ENVIRONMENT[i].variable);
	}
	return 0;
}

/* "ref=sha256:.." in two. */
static int split_images(struct conf_loader *conf, struct err *err)
{
	size_t i;
	char *id;

	if (conf->image_list.count > IMAGES_MAX)
		return err_set(err, ERR_INVALID, "images has too many entries; allowed: %u",
			       IMAGES_MAX);
	if (conf->image_list.count == 0)
		return 0;
	conf->images = calloc(conf->image_list.count, sizeof(*conf->images));
	if (!conf->images)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (i = 0; i < conf->image_list.count; i++) {
		struct conf_image *image = &conf->images[conf->image_count++];

		image->ref = strdup(conf->image_list.items[i]);
		id = image->ref ? strchr(image->ref, '=') : NULL;
		image->id = id ? strdup(id + 1) : NULL;
		if (!image->ref || (id && !image->id))
			return err_set(err, ERR_INTERNAL, "memory is short");
		if (id)
			*id = '\0';
	}
	return 0;
}

static bool has_s3(const struct conf_loader *conf)
{
	return conf->s3.endpoint || conf->s3.credentials_file;
}

/* --- what keys together must not say --- */

static bool no_api(const struct conf_loader *conf)
{
	return !conf->api_url;
}

static bool no_salts(const struct conf_loader *conf)
{
	return !conf->salts_file;
}

static bool two_cdns(const struct conf_loader *conf)
{
	return conf->cdn_url && has_s3(conf);
}

static bool nameless_s3(const struct conf_loader *conf)
{
	return conf->s3.endpoint && !conf->s3.credentials_file;
}

static bool keyless_cert(const struct conf_loader *conf)
{
	return conf->client_cert && !conf->client_key;
}

static bool certless_key(const struct conf_loader *conf)
{
	return conf->client_key && conf->client_key[0] == '/' && !conf->client_cert;
}

static bool deny_without_anchors(const struct conf_loader *conf)
{
	return conf->unsigned_denied && !conf->trust_anchors;
}

static bool two_archives(const struct conf_loader *conf)
{
	return conf->images_artifact && conf->images_path;
}

/* Nobody could have signed what is asked for. */
static bool no_signer(const struct conf_loader *conf)
{
	return !conf->manifest_anchors || conf->manifest_anchors[0] == '\0';
}

static bool artifact_without_anchors(const struct conf_loader *conf)
{
	return conf->images_artifact && no_signer(conf);
}

static bool form_without_anchors(const struct conf_loader *conf)
{
	return strcmp(conf->load_form, "v1") != 0 && no_signer(conf);
}

static const struct {
	bool (*wrong)(const struct conf_loader *conf);
	const char *text;
} TOGETHER[] = {
	{no_api, "api_url is missing; allowed: https://HOST[:PORT][/PATH]"},
	{no_salts, "salts_file is missing; allowed: an absolute path"},
	{two_cdns, "cdn_url and section s3 are two CDNs; allowed: one of them, or none"},
	{nameless_s3, "section s3: endpoint is there without credentials_file; allowed: both"},
	{keyless_cert, "client_cert is there without client_key; allowed: both, or none"},
	{certless_key, "client_key is a file without client_cert; allowed: both, or none"},
	{deny_without_anchors,
	 "section legacy: unsigned is \"deny\", and no trust_anchors say who signs; "
	 "allowed: both"},
	{two_archives, "images_artifact and images_path (or the environment's IMAGES_PATH) are two "
		       "archives; allowed: one of them, or none"},
	{artifact_without_anchors,
	 "images_artifact is there, and no manifest_anchors or trust_anchors say who signs; "
	 "allowed: both"},
	{form_without_anchors,
	 "load_form is not \"v1\", and no manifest_anchors or trust_anchors say who signs; "
	 "allowed: both"},
};

static int check_together(const struct conf_loader *conf, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(TOGETHER); i++)
		if (TOGETHER[i].wrong(conf))
			return err_set(err, ERR_INVALID, "%s", TOGETHER[i].text);
	return 0;
}

static int default_anchors(struct conf_loader *conf, struct err *err)
{
	if (conf->manifest_anchors || !conf->trust_anchors)
		return 0;
	conf->manifest_anchors = strdup(conf->trust_anchors);
	return conf->manifest_anchors ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int finish(struct conf_loader *conf, struct err *err)
{
	int r;

	r = take_environment(conf, err);
	if (r < 0)
		return r;
	r = split_images(conf, err);
	if (r == 0)
		r = default_anchors(conf, err);
	return r < 0 ? r : check_together(conf, err);
}

int conf_loader_parse(struct slice text, const char *name, struct conf_loader **ret_conf,
		      struct err *err)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = calloc(1, sizeof(*conf));
	struct reader_target target = {.schema = &SCHEMA_LOADER, .base = conf};
	int r;

	if (!conf)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (text.len > TEXT_MAX)
		return err_set(err, ERR_INVALID, "%s:1: the file is too large; allowed: 1 MiB",
			       text_name(name));
	r = value_defaults(&SCHEMA_LOADER, false, false, conf, err);
	if (r < 0)
		return r;
	r = reader_run(&target, text, text_name(name), err);
	if (r < 0)
		return r;
	r = finish(conf, err);
	if (r < 0)
		return err_wrap(err, "%s", text_name(name));
	*ret_conf = TAKE(conf);
	return 0;
}

int conf_loader_read(const char *file, struct conf_loader **ret_conf, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TEXT_MAX + 1);
	int r;

	r = text_read(file, TEXT_OURS, &bytes, err);
	return r < 0 ? r : conf_loader_parse(buf_slice(&bytes), file, ret_conf, err);
}

void conf_loader_free(struct conf_loader *conf)
{
	size_t i;

	if (!conf)
		return;
	for (i = 0; i < conf->image_count; i++) {
		free(conf->images[i].ref);
		free(conf->images[i].id);
	}
	free(conf->images);
	value_clear_all(&SCHEMA_LOADER, false, conf);
	free(conf);
}

/* --- the salts --- */

int conf_salts_read(const char *file, struct conf_salts **ret_salts, struct err *err)
{
	CLEANUP(conf_salts_cleanup) struct conf_salts *salts = calloc(1, sizeof(*salts));
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(SALTS_MAX + 1);
	struct reader_target target = {.schema = &SCHEMA_SALTS, .base = salts};
	int r;

	if (!salts)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = text_read(file, TEXT_SECRET, &bytes, err);
	if (r < 0)
		return r;
	if (bytes.len > SALTS_MAX)
		return err_set(err, ERR_INVALID, "%s:1: the file is too large; allowed: 16 KiB",
			       text_name(file));
	r = value_defaults(&SCHEMA_SALTS, false, false, salts, err);
	if (r < 0)
		return r;
	r = reader_run(&target, buf_slice(&bytes), text_name(file), err);
	if (r < 0)
		return r;
	*ret_salts = TAKE(salts);
	return 0;
}

void conf_salts_free(struct conf_salts *salts)
{
	if (!salts)
		return;
	value_clear_all(&SCHEMA_SALTS, false, salts);
	free(salts);
}
