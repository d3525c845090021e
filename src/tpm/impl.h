/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_IMPL_H
#define TPM_IMPL_H

/* What the engine's own files share: engine.c, roots.c, object.c, chip.c. */

#include "base/secret.h"
#include "tpm/command.h"
#include "tpm/engine.h"
#include "tpm/public.h"
#include "tpm/slots.h"

#define SRK_SHARED_HANDLE 0x81000001u

/* A root as it can be used now. */
struct root {
	uint32_t handle; /* 0 = not there now */
	struct engine_name name;
};

struct engine {
	struct line line;
	struct slots slots;
	struct root srk, hsk;
	bool ready;		   /* roots verified and session up */
	bool flushed;		   /* what a killed owner left was flushed once */
	bool srk_tried;		   /* this chip was asked for the recorded SRK and made another */
	struct err refusal;	   /* code 0, or why a chip that answers may not be used */
	uint64_t refused_until_us; /* no new look before that */
	struct engine_roots roots;
	struct engine_facts facts;
	char remark[256];
	enum pkey_type srk_type;
	uint32_t srk_handle, hsk_handle;
	struct secret *owner_auth, *hsk_auth;
};

/* chip.c: one TPM command each, the chip's code as result. */
TSS2_RC chip_startup(struct engine *engine);
TSS2_RC chip_shutdown(struct engine *engine);
TSS2_RC chip_facts(struct engine *engine);
TSS2_RC chip_flush(struct engine *engine, uint32_t handle);
TSS2_RC chip_flush_all(struct engine *engine, bool saved_too);
TSS2_RC chip_read_public(struct engine *engine, uint32_t handle, TPM2B_PUBLIC *ret_public);
TSS2_RC chip_load(struct engine *engine, const struct root *parent, struct slice parent_auth,
		  const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
		  struct root *ret_loaded);

struct chip_create {
	const struct root *parent;
	struct slice parent_auth;
	const TPM2B_PUBLIC *template;
	struct slice auth;
	struct slice data; /* of a sealed object; else empty */
};
TSS2_RC chip_create(struct engine *engine, const struct chip_create *create,
		    TPM2B_PUBLIC *ret_public, TPM2B_PRIVATE *ret_private);
TSS2_RC chip_create_srk(struct engine *engine, const TPM2B_PUBLIC *template, struct root *ret_root,
			TPM2B_PUBLIC *ret_public);
TSS2_RC chip_persist(struct engine *engine, const struct root *object, uint32_t handle);
/* Salted to @salt (with @public), or unsalted when NULL. */
TSS2_RC chip_start_session(struct engine *engine, const struct root *salt,
			   const TPM2B_PUBLIC *public);

/* roots.c: finds, verifies or makes SRK and HSK, and starts the session between them. */
int roots_open(struct engine *engine, bool *ret_new, struct err *err) MUST_CHECK;

static inline struct slice name_slice(const struct engine_name *name)
{
	return slice_of(name->bytes, name->len);
}

static inline bool name_equal(const struct engine_name *a, const struct engine_name *b)
{
	return slice_equal(name_slice(a), name_slice(b));
}

/* engine.c */
int engine_ready(struct engine *engine, struct err *err) MUST_CHECK;
TSS2_RC engine_evict_kept(struct engine *engine); /* flushes what slots keep */
struct slice engine_auth(const struct secret *auth);
const struct root *engine_parent_of(const struct engine *engine, enum engine_parent parent,
				    struct slice *ret_auth);

/*
 * One operation; run() returns a TSS2_RC and may be called again from the start: when the chip
 * lost what we had loaded, had no room, or gave no authentic answer. A refused authorisation is
 * believed at the second time, since a session or object number may have passed to somebody else
 * after a reset; with @guess, a password that a user gave, at the first.
 */
struct engine_op {
	const char *what; /* for the error's text */
	TSS2_RC (*run)(struct engine *engine, void *arg);
	void *arg;
	bool guess;
};
int engine_do(struct engine *engine, const struct engine_op *op, struct err *err) MUST_CHECK;

#endif
