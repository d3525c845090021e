/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TEST_WORLD_H
#define LOADER_TEST_WORLD_H

/*
 * World: a loop, jobs, a cache in a folder of its own, one resource sealed under the vectors' key,
 * and in the place of fetch and session a CDN that does what a script says, attempt by attempt.
 * Pauses between attempts are a millisecond.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/fault.h"
#include "loader/impl.h"

#define PLAIN	   100000u
#define OF_WORLD   ((const struct resource){slice_str("models"), slice_str("net.bin")})
#define SCRIPT_MAX 16u
#define NOTES_MAX  4096u

/* What the CDN does in one attempt; zeroed: what is asked for. */
struct script {
	unsigned status; /* 0: as it should be */
	bool whole;	 /* 200 also where a part was asked for */
	bool drops;	 /* the connection ends after `after` bytes */
	bool unreachable;
	bool refused; /* fetch says that it is no answer */
	bool hangs;   /* after `after` bytes nothing comes any more */
	bool longer;  /* more than announced */
	bool shorter; /* a 206 of fewer than the rest */
	bool no_length;
	uint64_t after;
	int total_off;	  /* added to the total that is announced */
	int first_off;	  /* .. to where the part begins */
	const char *etag; /* NULL: the one of before */
	bool no_range;	  /* If-Range is passed over */
	uint32_t retry_after;
	struct slice body; /* another big part from here on */
};

struct request_seen {
	uint64_t from;
	char if_range[256];
	unsigned redirects;
	bool sig;
	char url[128];
};

struct world {
	char root[64], import[64];
	int dir, import_fd;
	struct loop *loop;
	struct jobs *jobs;
	struct cache *cache;
	struct downloads *downloads;
	struct loader loader;
	struct loader_config config;
	struct secret *key;
	struct buf blob, sig, anchors;
	struct slice small, big;
	uint64_t room;		/* bytes that the disk has left; 0: as it is */
	const char *room_until; /* .. and as it is when this file of the cache is gone, too */
	int sync_fails;		/* errno of the next fsync; 0: none */
	void (*on_sync)(struct world *world); /* before each */
	/* The CDN. */
	struct script scripts[SCRIPT_MAX];
	struct slice body, payload;
	char etag[256];
	bool has_sig;
	unsigned sig_status; /* 0: as has_sig says */
	uint32_t sig_retry;  /* Retry-After */
	struct request_seen requests[64];
	size_t request_count, big_count;
	bool retries_wait; /* pauses do not end by themselves */
	struct fetch_transfer *transfers;
	unsigned pieces; /* that came in all */
	void (*on_piece)(struct world *world);
	/* The API. */
	struct slice small_answer;
	int small_code;
	struct slice manifest_answer, key_answer;
	int manifest_code, key_code;
	bool silent;  /* it did not answer a moment ago */
	bool at_once; /* what fails fails in the call itself */
	unsigned small_asked, manifest_asked, key_asked, hurried;
	/* Who waits. */
	unsigned left; /* that have not heard */
	int code;
	struct err err;
	char notes[NOTES_MAX];
};

extern struct world *the_world; /* of the test that runs */
int world_begin(void **state);
int world_end(void **state);
/* Makes downloads and loader with config as it is now; again, for another start. */
void world_start(struct world *world);
void world_stop(struct world *world);
/* Runs the loop until all that wait have heard; their last code. */
int world_run(struct world *world);
/* Runs it until @is_so. */
void world_until(struct world *world, bool (*is_so)(struct world *world));
struct download_wait *world_want(struct world *world);
/* Wants and runs. */
int world_get(struct world *world);
void world_done(void *arg, const struct err *err);

void world_unbase64(const char *text, struct buf *ret_bytes); /* appends */

/* Files of the cache, by path below it. */
void world_write(struct world *world, const char *path, struct slice bytes);
/* The same in the folder to import from, which the configuration then has. */
void world_import(struct world *world, const char *path, struct slice bytes);
bool world_has(struct world *world, const char *path);
bool world_equals(struct world *world, const char *path, struct slice bytes);
uint64_t world_size(struct world *world, const char *path);
/* Changes a byte. */
void world_flip(struct world *world, const char *path, uint64_t at);

#endif
