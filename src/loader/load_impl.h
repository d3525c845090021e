/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_LOAD_IMPL_H
#define LOADER_LOAD_IMPL_H

/*
 * What the load*.c share: load.c has the list, the choice of the form and the pieces; load_v1.c and
 * load_v2.c are the two sources that the pieces come from. A load has at most one step on the pool;
 * what of it is a step's nobody else touches meanwhile.
 */

#include "artifact/floor.h"
#include "artifact/payload.h"
#include "loader/artifact.h"
#include "loader/blob.h"
#include "loader/impl.h"
#include "loader/task.h"

/* On the loop, but for give(). */
struct load_source {
	/* Its end is load_finish(). On failure there is none. */
	int (*begin)(struct loader_load *load, struct err *err);
	uint64_t (*size)(const struct loader_load *load);
	int (*seek)(struct loader_load *load, uint64_t from, struct err *err);
	/* A step: puts the next piece in the place of the one before, and sets `end`. */
	int (*give)(void *load, struct err *err);
};
extern const struct load_source load_v1, load_v2;

enum load_found {
	LOAD_MISSING, /* there is no big part of this release */
	LOAD_BAD,     /* there is one that does not pass */
	LOAD_BARE,    /* there is one, and the CDN was not asked for its signature yet */
	LOAD_LOOKING, /* the check goes on */
	LOAD_GOOD,
};

struct loader_load {
	struct loader *loader; /* NULL: gone, and this waits for its step only */
	struct loader_load *next, **before;
	struct resource resource; /* of the texts below */
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[RESOURCE_NAME_MAX + 1];
	const struct load_source *source;
	loader_done_fn ready;
	loader_piece_fn piece;
	void *arg; /* of whichever is to be called next */
	struct task task;
	void (*next_fn)(struct loader_load *load);
	struct loop_timer soon; /* for a piece that takes no step */
	struct err late;	/* .. or is none */
	bool only_bytes;	/* F2: an archive of images is not read so */
	bool or_v1;		/* .. and without a manifest that can be used version 1 is taken */
	bool told;		/* a piece was asked for */
	/* Version 1. */
	struct session_call *call;
	struct download_wait *wait;
	struct fetch_transfer *transfer; /* of the signature */
	bool fetched;			 /* once is enough */
	bool sig_asked;			 /* .. here too */
	bool sig_new;			 /* sig is not the cache's yet */
	/* Version 2. */
	struct artifact *artifact;

	/* Of the steps. */
	struct cache *cache; /* held */
	const struct loader_config *config;
	struct floor floor;
	uint64_t at; /* in the blob or the payload */
	bool end;    /* plain holds the last of it */
	struct buf plain;
	/* Version 1. */
	struct secret *key;
	struct buf small, sig;
	int big;
	struct cache_seen seen;
	struct blob_facts facts;
	struct blob_check *check;
	enum load_found found;
	struct err bad;
	struct v1_facts v1;
	bool is_signed;
	struct v1_open *open;
	uint64_t given; /* bytes of plaintext */
	/* Version 2. */
	struct payload_open *payload;
	uint64_t from; /* bytes of plaintext that nobody wants */
};

void load_run(struct loader_load *load, task_step_fn step,
	      void (*next_fn)(struct loader_load *load));
/* Ready, or not. */
void load_finish(struct loader_load *load, const struct err *err);
/* Begins with that source; what fails at once is its end too. */
void load_begin(struct loader_load *load, const struct load_source *source);
void load_note(const struct loader_load *load, enum loader_note level, const char *text);
/* Who asks is told no more than that the log has it. What a download says, that has noted. */
void load_note_fault(const struct loader_load *load, const struct err *err);

#endif
