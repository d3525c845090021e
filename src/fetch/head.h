/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_HEAD_H
#define FETCH_HEAD_H

/*
 * Head: the status and the fields of an answer (RFC 9110), as far as they matter here, read line by
 * line. Pure but for the clock that a date is compared with. Private to the room.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "fetch/fetch.h"

#define HEAD_MAX      (32u * 1024u) /* bytes of all lines of an answer, 1xx and trailer among them */
#define HEAD_TEXT_MAX 256u	    /* of a field that is told; a longer one is as if not there */

struct head {
	struct fetch_head told; /* its texts are set by head_feed() at the end */
	uint64_t last;		/* of Content-Range */
	size_t size;
	unsigned ranges; /* how many Content-Range were there, or were no range */
	bool bad_range;
	bool bad_length;
	bool bad_coding; /* a Transfer-Encoding that is not asked for */
	bool chunked;
	bool whole; /* the final head is complete; what comes now is the trailer */
	char type[HEAD_TEXT_MAX];
	char etag[HEAD_TEXT_MAX];
	char modified[HEAD_TEXT_MAX];
	int64_t date; /* seconds since 1970; -1 or 0: none that can be read */
};

/* Zeroed to begin with. Takes the next line; ERR_TOO_LARGE over HEAD_MAX. */
int head_feed(struct head *head, struct slice line, int64_t now, struct err *err) MUST_CHECK;

/*
 * Holds a whole head against what was asked for. ERR_TOO_LARGE: over @max; ERR_DAMAGED: a length or
 * a part that cannot be, or that is not the one asked for.
 */
int head_check(const struct head *head, uint64_t from, uint64_t max, struct err *err) MUST_CHECK;

/* "bytes FIRST-LAST/TOTAL", and FIRST <= LAST < TOTAL. */
bool head_parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last,
		      uint64_t *ret_total);
/* Seconds from @now (since 1970), 0 for what is past or says nothing. */
uint32_t head_parse_retry(const char *text, int64_t now);

#endif
