/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_LOADER_H
#define CONF_LOADER_H

/*
 * Loader: the configuration of holdfast-loader (holdfast-loader.conf(5)), the salts file, and the
 * CDN's settings as resource APIs hand them out. Like conf.h: errors have file and line, unknown
 * keys are errors, and a file that others may write to is refused; one with secrets also when
 * others may read it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "conf/conf.h"

struct conf_s3 {
	char *endpoint; /* "https://s3.example.com" */
	char *region;
	char *bucket; /* NULL: the folder of a resource is its bucket */
	char *credentials_file;
};

/* An image that the archive brings; @id NULL: whatever has the tag. */
struct conf_image {
	char *ref; /* "registry/name", the tag is `version`; or with a tag of its own */
	char *id;  /* "sha256:.." */
};

/* Strings are NULL where nothing was said and nothing is the default. */
struct conf_loader {
	char *listen; /* "127.0.0.1:8080" */
	char *api_url;
	char *cdn_url;
	struct conf_s3 s3;
	char *cache_dir;
	char *salts_file;
	char *fingerprint_file;
	char *holdfast_socket;
	char *trust_anchors; /* PEM */
	char *ca_file;	     /* PEM, for TLS; NULL: the system's */
	char *client_cert;
	char *client_key;
	char *images_path;
	char *docker_socket;
	char *version; /* the images' tag */
	char *import_dir;
	char *token_file;
	struct conf_list hosts;
	struct conf_list image_list; /* "ref" or "ref=sha256:.." */
	struct conf_image *images;   /* of image_list */
	size_t image_count;
	char *formula;		/* "v1-hw" */
	bool unsigned_denied;	/* legacy { unsigned = "deny" } */
	bool unsigned_import;	/* legacy { unsigned_import = "allow" } */
	char *manifest_anchors; /* PEM; default: trust_anchors; "" or NULL: no version 2 */
	char *images_artifact;	/* "folder/name" */
	char *load_form;	/* "v1", "newest", "v2" */
	bool dev;
	uint64_t rate_limit;   /* bytes/s, 0: none */
	uint64_t resource_max; /* bytes of one resource or upload */
	unsigned downloads;    /* at once */
};

/* Defaults, then @file, then what the environment says (RESOURCE_API_URL, IMAGES_PATH,
 * API_VERSION). */
int conf_loader_read(const char *file, struct conf_loader **ret_conf, struct err *err) MUST_CHECK;
/* The same from memory; @name stands for the file in messages. */
int conf_loader_parse(struct slice text, const char *name, struct conf_loader **ret_conf,
		      struct err *err) MUST_CHECK;
void conf_loader_free(struct conf_loader *conf);
MEM_DEFINE_CLEANUP(conf_loader)

/* The salts file, mode 0600 at most. Missing ones are empty. */
struct conf_salts {
	struct secret *prefix;
	struct secret *hw;
	struct secret *api;
	struct secret *resource;
};
int conf_salts_read(const char *file, struct conf_salts **ret_salts, struct err *err) MUST_CHECK;
void conf_salts_free(struct conf_salts *salts);
MEM_DEFINE_CLEANUP(conf_salts)

/*
 * Who may read and write at an S3 server: from `cdn.yaml` of the API (a flat mapping: host,
 * downloader_access_key, downloader_access_secret, uploader_access_key, uploader_access_secret), or
 * from credentials_file (the same keys; host may be missing). Other keys are passed over.
 */
struct conf_cdn {
	char *host;
	char *reader_key;
	struct secret *reader_secret;
	char *writer_key; /* NULL: nothing can be uploaded */
	struct secret *writer_secret;
};
int conf_cdn_parse(struct slice yaml, struct conf_cdn **ret_cdn, struct err *err) MUST_CHECK;
int conf_cdn_read(const char *file, struct conf_cdn **ret_cdn, struct err *err) MUST_CHECK;
void conf_cdn_free(struct conf_cdn *cdn);
MEM_DEFINE_CLEANUP(conf_cdn)

#endif
