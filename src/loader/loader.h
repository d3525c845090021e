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

#include "artifact/manifest.h"
#include "artifact/resource.h"
#include "artifact/v1_key.h"
#include "base/err.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "jobs/jobs.h"
#include "wrap/duplicate.h"

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

/*
 * This device's half of version 2: the service that has the storage key (docs/API.yaml). Called on
 * the pool, by several of its threads at once; texts of errors are for the log. Without it, version
 * 2 is ERR_TPM_REQUIRED.
 */
struct loader_device {
	/*
	 * Appends the storage key's public area. *ret_is_tpm: it is a TPM's. What is remembered of
	 * it does, unless @anew, or something that was sealed to it did not open. Errors are those
	 * of the service: ERR_TPM_REQUIRED, ERR_TPM_BUSY, ..
	 */
	int (*storage_key)(void *arg, bool anew, struct buf *ret_public, bool *ret_is_tpm,
			   struct err *err);
	/*
	 * Appends what an origin is told of this device (docs/LOADER.md, "Devices"): a JSON object,
	 * storage key, endorsement key, certificate. It may take the chip long. Errors as above.
	 */
	int (*describe)(void *arg, struct buf *ret_json, struct err *err);
	/* Answers the challenge that it got for this (credential_make()'s file). */
	int (*activate)(void *arg, struct slice credential, struct secret **ret_secret,
			struct err *err);
	int (*unwrap)(void *arg, const struct duplicate *wrapped, struct secret **ret_key,
		      struct err *err);
	void *arg;
};

/* What F2 takes of a name whose format no path says. */
enum loader_form {
	LOADER_V1, /* version 1, but of names that were seen with min_format 2 */
	/*
	 * The API is asked for a manifest first; where there is none, or one that leaves version 1
	 * alone and that this device cannot use, version 1.
	 */
	LOADER_NEWEST,
	LOADER_V2, /* version 2 alone */
};

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
	const char *images_path; /* of the archive; NULL: none */
	/* The archive of images as an artifact of version 2, in the place of images_path. */
	struct resource images_artifact; /* folder empty: none */
	enum loader_form load_form;
	/* DER certificates of who signs manifests; empty: version 2 is ERR_NOT_SUPPORTED. */
	struct slice manifest_anchors;
	const struct loader_device *device; /* NULL: none */
	const char *docker_socket;	    /* NULL: no unlock */
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

/* --- version 2 --- */

/*
 * Makes the newest release of an artifact be in the cache, whole and checked, with its device key:
 * manifest (API, or the cache when the API does not answer), floor, protection, payload, digest,
 * key. Then it is read with loader_load_read() and left with loader_load_leave(), as a resource.
 * loader_load() ends up here too where the form of a name is 2 (enum loader_form).
 *
 * Of an archive of images ready() comes as soon as its manifest has passed, and then
 * loader_load_manifest() is all that may be asked: loader_images() takes the rest. loader_load() of
 * one is ERR_INVALID.
 *
 * FAULT_SIGNATURE, FAULT_ROLLED_BACK, FAULT_EXPIRED; ERR_TPM_REQUIRED; ERR_NOT_FOUND: no such
 * artifact; FAULT_NO_KEY: no key of it for this device; ERR_DAMAGED.
 */
int loader_artifact(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		    void *arg, struct loader_load **ret_load, struct err *err) MUST_CHECK;
/* After ready(); NULL when it is of version 1. Borrowed until the leave. */
const struct manifest *loader_load_manifest(const struct loader_load *load);
/* Plaintext goes on at @from; after ready(), before the first read. ERR_INVALID: behind its end. */
int loader_load_seek(struct loader_load *load, uint64_t from, struct err *err) MUST_CHECK;

/* --- F3 --- */

/*
 * Seals under the fleet's key while it comes, into the cache; then the big part goes to the CDN and
 * at last the small part to the API, a few times where that fails. A new name is thus met as a
 * whole or not at all; one that exists cannot be loaded in between, nor when that failed for good,
 * which the err says. ERR_FORBIDDEN: the name was seen with min_format 2.
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

/*
 * An archive of images, as loader_unlock(), for who is logged in already. It becomes the unlock
 * that F5 tells of. FAULT_BUSY while another one is at work; ERR_INVALID: it is no archive.
 */
int loader_images(struct loader *loader, const struct resource *resource, loader_unlock_fn done,
		  void *arg, struct loader_unlock **ret_unlock, struct err *err) MUST_CHECK;

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
