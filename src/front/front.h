/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

/*
 * Front: the loader's own HTTP interface: flows F1 to F6, as programs in the field know them, and
 * /v2 (docs/LOADER.md, "The front"). Every error body is {"detail": .., "code": ..}; legacy paths
 * keep the statuses that they had. No web page can drive it: a Host that is not in the list and any
 * Origin are refused (403), and JSON bodies need application/json.
 *
 *   POST   /login                     F1
 *   POST   /load/{filename}           F2
 *   POST   /upload/{filename}         F3
 *   POST   /unlock                    F4
 *   GET    /unlock/status             F5: {"state", "error": null or "CODE: detail"}
 *   GET    /health, /status           F6
 *   GET    /v2/artifacts/{name}?folder=FOLDER    an artifact of version 2, opened; ranges; HEAD
 *   POST   /v2/artifacts/{name} {"folder"}       makes it be there and tells of it; images go to
 *                                                the engine: 202, and F5 tells the rest
 *   GET    /v2/status                 downloads, unlock, provider
 *   DELETE /v2/artifacts/{name}?folder=FOLDER    cancels a download
 */

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/secret.h"
#include "loader/loader.h"

/* What F6 tells beside; texts are borrowed for the front's life, or replaced by front_machine(). */
struct front_machine {
	const char *provider; /* "tpm", "legacy" */
	const char *reason;
	const char *device_mode; /* of /v1/device, NULL: not known */
};

/* Copied, but for what it points to, which is borrowed for the front's life. */
struct front_config {
	const char *const *hosts; /* Host headers that are taken, in lower case */
	size_t host_count;
	const struct secret *token; /* Authorization: Bearer ..; NULL: none is asked for */
	uint64_t upload_max;
	unsigned connections;
	/*
	 * What is worth a line in the log; only the program logs: each login, load, upload, unlock
	 * and artifact that failed, and what clients may not read of an error. NULL: nothing is.
	 */
	void (*note)(void *arg, enum loader_note level, const char *text);
	void *note_arg;
};

struct front;
int front_new(struct loop *loop, struct loader *loader, const struct front_config *config,
	      struct front **ret_front, struct err *err) MUST_CHECK;
void front_free(struct front *front);
MEM_DEFINE_CLEANUP(front)
void front_set_machine(struct front *front, const struct front_machine *machine);
/* Takes an accepted socket over; @closed is called when it is closed, also on failure. */
void front_take(struct front *front, int fd, void (*closed)(void *arg), void *arg);
/*
 * No new requests, and who waits for the loader is told FAULT_BUSY; what goes on are answers that
 * have begun and uploads. True when none is at work any more.
 */
bool front_drain(struct front *front);

#endif
