/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

/*
 * Loader: logs in at a resource API, brings protected resources into a cache, opens them for who
 * asks and gives images to Docker (docs/LOADER.md). It knows neither HTTP's server side nor who
 * asks; front does.
 *
 * All on the loop's thread; network on the loop by fetch, disk and crypto on the pool by jobs.
 * Callbacks come once, never inside the call that asked for them, with an err (fault.h) or NULL.
 * What a call returned can be left (…_leave, …_free) at any time, after which its callback does not
 * come. Plaintext is in memory for as long as a piece is on its way, and never on a disk.
 */

#include <stdbool.h>
#include <stdint.h>

#include "artifact/resource.h"
#include "artifact/v1_key.h"
#include "base/err.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "jobs/jobs.h"

#define LOADER_PIECE   (256u * 1024u)
#define LOADER_REF_MAX 512u /* with a NUL */
#define LOADER_LOADS   64u  /* F2 at work at once, waiting ones among them; more are FAULT_BUSY */
#define LOADER_UPLOADS 4u
#define LOADER_IMAGES  32u

struct loader_image {
	const char *ref;
	const char *id; /* NULL: any */
};

/* What cdn.yaml says, taken over by the loader. */
struct loader_cdn {
	struct buf endpoint;		   /* texts with a NUL */
	struct buf reader_key, writer_key; /* writer_key empty: no uploads */
	struct secret *reader_secret, *writer_secret;
};

enum loader_note { LOADER_INFO, LOADER_NOTICE, LOADER_WARNING };

/* Borrowed for the loader's life, and until jobs_free() behind it: steps on the pool read it. */
struct loader_config {
	const char *api_url;
	const char *cdn_url;	 /* plain HTTPS; NULL: s3, or what cdn.yaml says */
	const char *s3_endpoint; /* NULL: as above */
	const char *s3_region;
	const char *s3_bucket; /* NULL: a resource's folder is the bucket */
	const char *reader_key, *writer_key;
	const struct secret *reader_secret, *writer_secret;
	/* Parses cdn.yaml when it came (the conf room's), called on the loop. */
	int (*parse_cdn)(void *arg, struct slice yaml, struct loader_cdn *ret_cdn, struct err *err);
	void *parse_arg;
	int cache_dir;		/* an open folder of ours, mode 0700 */
	const char *import_dir; /* a path, which is looked for at each download; NULL: none */
	enum v1_formula formula;
	struct v1_salts salts;
	/*
	 * The fingerprint: pinned text, or empty: made by machine() on the pool at the first login
	 * and recorded in the cache when that has succeeded.
	 */
	struct slice fingerprint;
	int (*machine)(void *arg, struct buf *ret_text, struct err *err);
	void *machine_arg;
	struct slice
		anchors; /* DER certificates, one behind the other; empty: no .sig is asked for */
	bool unsigned_denied;
	bool unsigned_import; /* a big part of import_dir needs no signature */
	uint64_t resource_max;
	unsigned downloads;
	bool dev;
	const char *images_path;   /* of the archive; NULL: none */
	const char *docker_socket; /* NULL: no unlock */
	const struct loader_image *images;
	size_t image_count;
	/* What is worth a line in the log; only the program logs. Texts without secrets. */
	void (*note)(void *arg, enum loader_note level, const char *text);
	void *note_arg;
};

struct loader;
int loader_new(struct jobs *jobs, struct fetch *fetch, const struct loader_config *config,
	       struct loader **ret_loader, struct err *err) MUST_CHECK;
/* Everything at work ends without callbacks; what lies half downloaded stays for the next start. */
void loader_free(struct loader *loader);
MEM_DEFINE_CLEANUP(loader)

typedef void (*loader_done_fn)(void *arg, const struct err *err);

/* --- F1 --- */

/*
 * At the API; @email and @password are copied into memory that is wiped. The session lives in
 * memory alone; a failed login leaves the one before. A token that the API does not take any more
 * is exchanged once by itself, with the same credentials.
 */
struct loader_login;
int loader_login(struct loader *loader, struct slice email, struct slice password,
		 loader_done_fn done, void *arg, struct loader_login **ret_login, struct err *err)
	MUST_CHECK;
void loader_login_leave(struct loader_login *login); /* the login goes on; NULL is allowed */
bool loader_logged_in(const struct loader *loader);

/* --- F2 --- */

/*
 * Asks the API for the small part, makes the big part be in the cache (downloading what is not
 * there yet, from where that stopped), checks all of it, and is then ready to be read. Loads of one
 * resource share one download; it goes on when they have left.
 */
struct loader_load;
int loader_load(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		void *arg, struct loader_load **ret_load, struct err *err) MUST_CHECK;
/* After ready() without error. */
uint64_t loader_load_size(const struct loader_load *load);
/*
 * The next LOADER_PIECE bytes, or what is left; @bytes are borrowed until the next read or leave.
 * When the last ones do not come out as they were checked (another wrote to the cache), they are
 * not given: an err.
 */
typedef void (*loader_piece_fn)(void *arg, struct slice bytes, const struct err *err);
void loader_load_read(struct loader_load *load, loader_piece_fn piece, void *arg);
void loader_load_leave(struct loader_load *load); /* NULL is allowed */

/* --- F3 --- */

/*
 * Seals under the fleet's key while it comes, into the cache; then the big part goes to the CDN and
 * at last the small part to the API, a few times where that fails. A new name is thus met as a
 * whole or not at all; one that exists cannot be loaded in between, nor when that failed for good,
 * which the err says.
 */
struct loader_upload;
int loader_upload_new(struct loader *loader, struct slice name, struct loader_upload **ret_upload,
		      struct err *err) MUST_CHECK;
/* Copies @bytes (at most LOADER_PIECE); done() when the next may come. */
void loader_upload_add(struct loader_upload *upload, struct slice bytes, loader_done_fn done,
		       void *arg);
void loader_upload_end(struct loader_upload *upload, struct slice folder, loader_done_fn done,
		       void *arg);
void loader_upload_leave(struct loader_upload *upload); /* NULL is allowed */

/* --- F4, F5 --- */

enum unlock_state {
	UNLOCK_IDLE,
	UNLOCK_AUTHENTICATING,
	UNLOCK_DOWNLOADING_KEY,
	UNLOCK_DECRYPTING,
	UNLOCK_LOADING_IMAGES,
	UNLOCK_READY,
	UNLOCK_ERROR,
	UNLOCK_STATES,
};
const char *unlock_state_name(enum unlock_state state); /* "downloading_key" */

/*
 * Done tells what F4 answers: UNLOCK_READY when all images are there, UNLOCK_AUTHENTICATING when
 * work has begun, its state when it is at work already, ERR_NOT_FOUND when there is neither an
 * archive nor the images. An engine that does not answer is no error here; F5 tells it.
 */
typedef void (*loader_unlock_fn)(void *arg, enum unlock_state state, const struct err *err);
struct loader_unlock;
int loader_unlock(struct loader *loader, struct slice email, struct slice password,
		  loader_unlock_fn done, void *arg, struct loader_unlock **ret_unlock,
		  struct err *err) MUST_CHECK;
void loader_unlock_leave(struct loader_unlock *unlock); /* the work goes on; NULL is allowed */

struct unlock_status {
	enum unlock_state state;
	struct err err;	      /* code 0 unless UNLOCK_ERROR */
	uint64_t done, total; /* bytes of the archive */
};
void loader_unlock_status(const struct loader *loader, struct unlock_status *ret_status);

/* --- progress --- */

enum download_state {
	DOWNLOAD_QUEUED,
	DOWNLOAD_RUNNING,
	DOWNLOAD_WAITING, /* for the next attempt */
	DOWNLOAD_CHECKING,
	DOWNLOAD_DONE,
	DOWNLOAD_FAILED, /* for good, until somebody asks again */
	DOWNLOAD_CANCELLED,
	DOWNLOAD_STATES,
};
const char *download_state_name(enum download_state state); /* "running" */

/* One of the downloads at work, and of up to 32 that ended last. Texts are borrowed for the visit.
 */
struct download_progress {
	struct resource resource;
	enum download_state state;
	uint64_t done, total; /* bytes; total 0: not known yet */
	uint64_t rate;	      /* bytes/s, of the last seconds */
	int64_t eta_s;	      /* -1: not known */
	uint32_t attempts;
	uint32_t retry_s;      /* until the next attempt, of DOWNLOAD_WAITING */
	const struct err *err; /* the last one, NULL: none */
};
typedef void (*download_visit_fn)(void *arg, const struct download_progress *progress);
void loader_progress(const struct loader *loader, download_visit_fn visit, void *arg);

/*
 * Ends a download that has not ended; loads that wait for it get FAULT_CANCELLED. What has come is
 * removed. ERR_NOT_FOUND.
 */
int loader_cancel(struct loader *loader, const struct resource *resource, struct err *err)
	MUST_CHECK;

#endif
