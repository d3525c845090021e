/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_DOWNLOAD_IMPL_H
#define LOADER_DOWNLOAD_IMPL_H

/*
 * What the download*.c share. download.c has the list, the order, who waits and what is told;
 * download_run.c does one of them, attempt after attempt, with the steps of download_job.c;
 * download_judge.c decides what an answer is worth. What a big part has that a payload has not, and
 * the other way round, is a struct download_kind.
 *
 * A download has at most one job and one transfer. A step of its job touches the download's own
 * memory, what it holds of the cache, and the configuration; the loop reads none of that until the
 * job is released, but for cache_part_write() and cache_part_size() during a sync.
 */

#include "base/loop.h"
#include "fetch/backoff.h"
#include "loader/download.h"
#include "loader/payload_check.h"
#include "loader/rate.h"
#include "loader/task.h"

struct download;

/*
 * What a download is of. The functions are parts of steps: for the pool. At a check something is
 * read in turns and judged behind its end; download_uncheck() forgets it.
 */
struct download_kind {
	enum resource_part part; /* at the CDN, in import_dir and in the cache */
	bool has_sig;		 /* a signature lies beside it, and is looked at first */
	bool by_digest;		 /* size and digest are known: no validator is needed */
	/* What must be known before a server is asked. */
	int (*prepare)(struct download *download, struct err *err);
	/* May what import_dir has be looked at? */
	int (*admit)(struct download *download, struct err *err);
	int (*check)(struct download *download, int fd, uint64_t size, struct err *err);
	int (*read)(struct download *download, struct err *err); /* sets check_ended */
	int (*judge)(struct download *download, struct err *err);
	/* The check was good, of the part: it gets its name. */
	int (*take)(struct download *download, struct err *err);
};
extern const struct download_kind download_big, download_payload;

struct download_wait {
	struct download *download;
	struct download_wait *next, **before; /* what points here */
	loader_done_fn done;
	void *arg;
};

/* A release that did not pass: asked for again it is known by its head, until some time is over. */
struct download_bad {
	struct err err;		/* code 0: there is none */
	struct cache_want want; /* the answer's, of the release */
	uint8_t sig[V1_DIGEST];
	struct backoff backoff;
	uint64_t until; /* microseconds */
};

struct download {
	struct downloads *owner; /* NULL: gone, and this waits for its job only */
	struct download *next, **before;
	struct download_wait *waits;
	const struct download_kind *kind;
	struct resource resource; /* as it is told of; of the texts below */
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[RESOURCE_NAME_MAX + 1];
	struct resource file; /* as its file is called: as resource, but for a payload by its .. */
	char digest[MANIFEST_DIGEST_HEX]; /* .. digest */
	struct buf small;
	uint8_t release[V1_DIGEST]; /* digest of small, or of the payload */
	uint64_t size;		    /* of a payload */
	uint64_t serial;	    /* .. and of its release */

	/* What is told. */
	enum download_state state;
	uint64_t done, total;
	struct rate rate;
	uint32_t attempts;
	struct err err; /* the last, code 0: none */

	/* When it is its turn. */
	uint64_t turn; /* of those that are queued the least is next */
	struct loop_timer timer;
	uint64_t retry_at; /* microseconds, of DOWNLOAD_WAITING */
	uint64_t early_at; /* .. and when asking again may begin it */
	struct backoff backoff;
	unsigned stuck; /* attempts in a row that got nowhere */
	unsigned lies, anews, failed_checks;
	uint64_t best; /* bytes that were there once: progress is more than that */
	bool fresh;    /* the next attempt begins with nothing */
	struct download_bad bad;

	/* The job at work. */
	struct task task;
	void (*next_fn)(struct download *download); /* when it has succeeded */
	bool closing;				    /* it ended; out of the list when not busy */
	bool drop;				    /* .. and what has come is removed */

	/* Of the steps. */
	struct cache *cache; /* held */
	struct secret *key;
	const struct loader_config *config;
	struct cache_part *part;
	struct cache_want want;
	uint64_t have;
	struct cache_seen seen;
	struct buf sig;
	bool sig_known; /* sig is what there is, if only nothing */
	bool import_tried, importing;
	bool adopted;	/* what the import has goes into the part */
	int import;	/* the file, -1: none */
	int import_dir; /* the folder it is in */
	uint64_t import_size;
	struct blob_facts facts;
	struct blob_check *check;
	struct v1_facts passed; /* what that said, and whether by a signature */
	bool passed_signed;
	struct payload_check *sum;
	bool check_ended;

	/* The transfer. */
	struct fetch_transfer *transfer;
	int verdict; /* enum download_verdict of its head */
	unsigned status;
	uint32_t retry_after;
	uint64_t synced;    /* bytes when the last sync began */
	bool stated;	    /* .. and there was one for this want */
	struct err outcome; /* why it did not end well */
};

struct downloads_ended {
	const struct download_kind *kind;
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[RESOURCE_NAME_MAX + 1];
	enum download_state state;
	uint64_t done, total;
	uint32_t attempts;
	struct err err;
	struct download_bad bad;
};

struct downloads {
	struct jobs *jobs;
	struct fetch *fetch;
	struct session *session;
	struct cache *cache;
	const struct loader_config *config;
	struct secret *key;
	struct download *list;	  /* in the order in which they came */
	struct download *closing; /* that have ended, but for their last job */
	size_t count;
	unsigned running;
	uint64_t turns;
	struct loop_timer pump; /* begins what is queued, on the next turn of the loop */
	struct downloads_ended *ended[DOWNLOADS_ENDED]; /* the oldest first */
	size_t ended_count;
};

/* --- download.c --- */

/* Puts it behind the others that wait for a place. */
void download_queue(struct download *download);
/* It is at work no more for now: the next one has its place. */
void download_rest(struct download *download);
/* All that wait hear @err (NULL: it is there), and wait no more. */
void download_tell(struct download *download, const struct err *err);
/* The end of it; the download is gone when its last job is. */
void download_end(struct download *download, enum download_state state, const struct err *err);
/* Frees one that has ended, and whose last job has too. */
void download_gone(struct download *download);
void download_free(struct download *download);
void download_note(const struct download *download, enum loader_note level, const char *text);
/* The release did not pass. */
void download_bad_set(struct download *download, const struct err *err);
/* Is @want, with the signature that is there, one that did not? */
bool download_bad_is(const struct download *download, const struct cache_want *want);

/* --- download_job.c: the steps, on the pool --- */

int download_prepare(void *arg, struct err *err);
int download_sig(void *arg, struct err *err);	 /* whose it is, before there is more */
int download_import(void *arg, struct err *err); /* begins to check it where it is */
int download_adopt(void *arg, struct err *err);	 /* it passed */
int download_copy(void *arg, struct err *err);	 /* goes on */
int download_check(void *arg, struct err *err);	 /* begins */
int download_read(void *arg, struct err *err);	 /* goes on */
int download_take(void *arg, struct err *err);
int download_sync(void *arg, struct err *err);
int download_drop(void *arg, struct err *err);
/* Bytes that it may have. */
uint64_t download_max(const struct download *download);
/* There was a check. */
bool download_uncheck(struct download *download);

/* --- download_run.c --- */

/* The task's ended(). */
void download_step_ended(void *arg, const struct err *err);
/* One attempt. Its end is download_end() or another turn. */
void download_begin(struct download *download);
/* Ends transfer, timer and job without anything else. */
void download_halt(struct download *download);
/* The last thing of one with `drop`, when no job of it is at work. False: nothing is to be done. */
bool download_remove(struct download *download);

/* --- download_judge.c: pure --- */

enum download_verdict {
	DOWNLOAD_TAKE,	    /* what was asked for */
	DOWNLOAD_ANEW,	    /* not the rest of what is there: ask for all of it */
	DOWNLOAD_LIE,	    /* what no server may send */
	DOWNLOAD_GONE,	    /* there is no such thing */
	DOWNLOAD_FORBIDDEN, /* not for us */
	DOWNLOAD_AGAIN,	    /* not now */
	DOWNLOAD_TOO_LARGE,
	DOWNLOAD_BAD,	/* what did not pass a while ago */
	DOWNLOAD_LOCAL, /* the fault is on this side: the outcome says which */
};

struct download_asked {
	const struct cache_want *want; /* of what is there */
	uint64_t have;		       /* > 0: only the rest was asked for */
	uint64_t max;		       /* bytes of all of it */
	bool is_signed; /* the signature will tell whether all of it is of one release */
	uint64_t total; /* > 0: bytes that it has; and its digest will tell the same */
};

/* Can what is called so be known again? */
bool download_validator(const struct cache_want *want);
/* *ret_want is what comes, for DOWNLOAD_TAKE. */
enum download_verdict download_judge(const struct download_asked *asked,
				     const struct fetch_head *head, struct cache_want *ret_want);

#endif
