/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCKER_FAKE_FETCH_H
#define DOCKER_FAKE_FETCH_H

/*
 * Stands in the place of fetch's transfers at link time: a test sees what was asked for and says
 * what came of it. One transfer at a time.
 */

#include "fetch/fetch.h"

struct fetch_transfer {
	int unused;
};

struct fake_fetch {
	bool refuse;  /* the next start fails */
	bool running; /* a transfer is */
	unsigned started, cancelled, resumed;
	enum fetch_method method;
	char url[4096];
	char socket[128];
	char type[64]; /* the header Content-Type */
	uint64_t length, max;
	struct fetch_ops ops;
	fetch_whole_fn whole;
	void *arg;
};
extern struct fake_fetch fake_fetch;

/* Ends a small transfer, or one with ops when @body has been given by ops.data(). */
void fake_end(enum fetch_end end, unsigned status, const char *body, const struct err *err);

#endif
