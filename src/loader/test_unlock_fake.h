/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TEST_UNLOCK_FAKE_H
#define LOADER_TEST_UNLOCK_FAKE_H

/*
 * An engine, a session and an artifact in memory, in the place of docker.h, session.h and
 * artifact.h at link time, and an archive in a folder of its own. All they do is noted in one line,
 * "look a;look b;login;..", and every callback comes from a timer. What fails is said by a word of
 * that line: the call that would write it for the n-th time fails.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/artifact.h"
#include "loader/impl.h"

#define FAKE_IMAGES 3u
#define FAKE_HEARD  80u
#define FAKE_ID(c)                                                                                 \
	"sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c  \
		c c c c c c c c c c c c c c c c c c c c c c c c

#define FAKE_OLD   FAKE_ID("0") /* what tags may name before */
#define FAKE_WRONG FAKE_ID("9")

struct fake_failure {
	const char *word; /* "load"; NULL: nothing fails */
	unsigned turn;	  /* 1: the first time */
	int code;
	bool at_once; /* the call itself, not its callback */
};

struct fake {
	struct loop *loop;
	struct loop_timer timer, poll;
	uint64_t late;
	unsigned quiet;		 /* for so many looks */
	unsigned steps, stop_at; /* the loop stops at this one */
	struct jobs *jobs;
	char folder[64], archive[80], sig[88];
	struct loader_config config;
	struct loader_image images[FAKE_IMAGES];
	struct loader loader;
	struct unlock *unlock;
	struct err err;
	/* the artifact, which has passed; its payload is the archive's file */
	struct manifest manifest;
	struct secret *content_key;
	unsigned artifacts; /* alive */
	/* the engine: what each tag names, and what a load makes it name; NULL: nothing */
	const char *now[FAKE_IMAGES];
	const char *loaded[FAKE_IMAGES];
	struct buf got;		       /* of the archive */
	void (*on_first)(void);	       /* when the first bytes of it have come */
	const char *heard[FAKE_HEARD]; /* what the engine says it has loaded; others are "+" in the
					  log */
	bool loads_and_fails;	       /* tags move, then the engine answers an error */
	bool stuck;		       /* the engine takes no byte and does not answer */
	struct slice fragment;
	char email[32], password[32]; /* as the session was given them */
	struct fake_failure failures[2];
	struct buf log;	   /* what was done */
	struct buf states; /* those that were seen meanwhile, "authenticating;.." */
	unsigned notes;
	char note[256];	  /* the last one */
	struct buf noted; /* all of them */
	/* what F4 told */
	unsigned told;
	enum unlock_state state;
	int code;
};
extern struct fake fake;

int fake_setup(void **state);
int fake_teardown(void **state);
/* Of fake.config, with so many images; each is there after a load, with this id demanded or not. */
void fake_unlock(size_t images, bool with_ids);
/* Writes an archive that opens with fake.fragment to @plain bytes, byte i being i * 7 % 251. */
void fake_archive(size_t plain);
/* The same as the payload of an artifact, whose manifest names so many images with their ids. */
void fake_artifact(size_t plain, size_t images);
void fake_write(const char *path, struct slice bytes);

/* Asks, and runs the loop until all is quiet. */
void fake_ask(void);
int fake_begin(struct unlock_call **ret_call);
/* The same by the artifact's name, without credentials. */
void fake_ask_artifact(void);
int fake_begin_artifact(struct unlock_call **ret_call);
void fake_run_quiet(void);
struct unlock_status fake_status(void);
void fake_assert_text(const struct buf *text, const char *wanted);
void fake_assert_error(int code);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif
