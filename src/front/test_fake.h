/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRONT_TEST_FAKE_H
#define FRONT_TEST_FAKE_H

/*
 * A loader that is none, linked in its place: it does what the test says, behind the call that
 * asked for it, and notes what it was asked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "loader/loader.h"

struct fake {
	struct loop *loop;
	int refusal;	    /* the code of whatever is asked first, from the call itself */
	int code;	    /* .. and of what it ends with; 0: it succeeds */
	const char *detail; /* the text of either */
	bool holds;	    /* nothing is told until fake_go_on() */
	bool logged_in;
	uint64_t size;	    /* of what is loaded */
	unsigned bad_piece; /* the first is 1; 0: none */
	bool adding_fails;
	struct manifest manifest; /* of each artifact */
	int images_refusal;	  /* as refusal, of loader_images() alone */
	int seek_code;
	enum unlock_state unlocked;
	struct unlock_status status;
	const struct download_progress *progress;
	size_t progress_count;
	/* What it was asked. */
	char email[1100], password[1100];
	char folder[300], name[300];
	unsigned asked, told, left, alive;
	unsigned held; /* ever */
	unsigned reads, adds, ends, cancels, artifacts, images, seeks;
	uint64_t sought;
	uint64_t added; /* bytes, each as fake_byte() has it */
	size_t added_most;
	bool added_others; /* bytes */
};

extern struct fake fake;

void fake_begin(struct loop *loop);
/* Everything that was asked for was told or left. */
void fake_end(void);
/* Tells what is held. */
void fake_go_on(void);
/* What is held is told nothing until it is left. */
void fake_forget(void);
/* The content of every resource. */
uint8_t fake_byte(uint64_t at);

#endif
