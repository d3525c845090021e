/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_SETUP_H
#define CMD_HOLDFAST_LOADER_SETUP_H

/*
 * Setup: the configuration as what the loader is made of: all files read, all folders open, all
 * addresses checked. It owns what struct loader_config and struct front_config borrow.
 */

#include "base/buf.h"
#include "base/err.h"
#include "conf/loader.h"
#include "fetch/fetch.h"
#include "listen/listen.h"
#include "loader/loader.h"

struct setup {
	const struct conf_loader *conf; /* borrowed */
	bool dev;			/* of the configuration or the command line */
	struct conf_salts *salts;
	struct conf_cdn *cdn; /* of s3's credentials_file; NULL: none */
	struct buf endpoint;  /* of its host; a text with a NUL */
	struct secret *token; /* NULL: the front asks for none */
	struct buf fingerprint;
	struct buf anchors;
	struct buf manifest_anchors;
	int cache_dir;
	struct listen_address address;
	struct loader_image images[LOADER_IMAGES];
	char refs[LOADER_IMAGES][LOADER_REF_MAX]; /* of images, each with its tag */
	struct loader_config loader;
	struct fetch_config fetch;
};

#define SETUP_INIT                                                                                 \
	{                                                                                          \
		.endpoint = BUF_INIT(2048), .fingerprint = BUF_INIT(4096),                         \
		.anchors = BUF_INIT(256 * 1024), .manifest_anchors = BUF_INIT(256 * 1024),         \
		.cache_dir = -1                                                                    \
	}

/* The error names the key, or the file. */
int setup_read(struct setup *setup, const struct conf_loader *conf, bool dev, struct err *err)
	MUST_CHECK;
/* ERR_INVALID where dev does not go with listening at @address. */
int setup_check_address(const struct setup *setup, const struct listen_address *address,
			struct err *err) MUST_CHECK;
void setup_fini(struct setup *setup);

/* The bearer of the front, from token_file; NULL where there is none. */
int setup_token(const struct conf_loader *conf, struct secret **ret_token, struct err *err)
	MUST_CHECK;

/*
 * The Host headers that the front takes at @bound: those configured, else that address, 127.0.0.1,
 * localhost and [::1], each with and without its port. Texts go to @storage.
 */
struct setup_hosts {
	struct buf storage;
	const char *names[256];
	size_t count;
};
#define SETUP_HOSTS_INIT                                                                           \
	{                                                                                          \
		.storage = BUF_INIT(4096)                                                          \
	}
int setup_hosts(const struct conf_loader *conf, const struct listen_address *bound,
		struct setup_hosts *ret_hosts, struct err *err) MUST_CHECK;
void setup_hosts_fini(struct setup_hosts *hosts);

#endif
