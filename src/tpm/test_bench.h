/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_TEST_BENCH_H
#define TPM_TEST_BENCH_H

/* Bench: an engine on a simulated chip of its own, for the engine's tests. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tpm/engine.h"

#define HSK_HANDLE 0x81000101u
#define OUR_HANDLE 0x81000002u

struct chip;

struct bench {
	struct chip *chip;
	char tcti[512];			   /* "" = the chip's own */
	const char *owner;		   /* its password; NULL = none */
	const char *endorsement, *lockout; /* likewise */
	bool in_clear;			   /* encrypt = false */
	bool rsa;			   /* of the roots that are made */
	uint32_t srk_handle;		   /* 0 = OUR_HANDLE */
	struct engine *engine;
	struct engine_roots roots;
	struct err err;
};

/* Of all objects that are made here. */
extern const struct slice bench_password;

/* With a new chip, open, and the HSK persistent. */
int bench_setup(void **state);
/* The same with endorsement keys, RSA of so many bits and P-384: see chip_new_made(). */
int bench_setup_made(void **state);
int bench_setup_made_3072(void **state);
int bench_teardown(void **state);

/* Closes and opens again; with @recorded as the chip that it was before. */
int bench_reopen(struct bench *bench, bool recorded, bool *ret_new);
/* The same with another way to the chip, which takes it for managed. */
void bench_through(struct bench *bench, const char *tcti);
void bench_through_refuser(struct bench *bench); /* refuse_tcti.c */

void bench_seal(struct bench *bench, const char *text, struct engine_made *ret_made);
int bench_unseal(struct bench *bench, const struct engine_made *made, const char *expected);
void bench_key(struct bench *bench, enum engine_parent parent, struct engine_made *ret_made);
void bench_aik(struct bench *bench, enum pkey_type type, enum hash_alg hash,
	       struct engine_made *ret_made);
/* Signs and verifies. */
void bench_sign(struct bench *bench, const struct engine_made *made, enum engine_parent parent);
/* For HMAC with a key that the test knows. */
void bench_mac_key(struct bench *bench, struct slice secret, struct engine_made *ret_made);
struct engine_object bench_object(const struct engine_made *made, enum engine_parent parent);

/* Opens again through a liar about the answer to one command: see evil_tcti.c. */
void bench_lie(struct bench *bench, const char *how, uint32_t code);

/* The HSK as an object, as on a chip that does not keep it. */
void bench_transient_hsk(struct bench *bench);

/* TPM commands since the last call. */
unsigned bench_cost(void);

/* To one of the chip's two sockets: "s" takes commands, "s.ctrl" the simulator's own. */
int bench_connect(const struct bench *bench, const char *name);
/* One command past the engine; the chip's code. */
uint32_t bench_send(int fd, const struct buf *command, struct buf *ret_answer);
/* Startup and Shutdown, CLEAR (0) or STATE (1), as a kernel sends them. */
uint32_t bench_power(struct bench *bench, uint32_t code, uint16_t type);

/* The reset line: _TPM_Init, while the connection stays. The chip then waits for its Startup. */
void bench_reset_line(struct bench *bench);

/* From now on @times commands with this code are answered with @rc: see refuse_tcti.c. */
void bench_refuse(uint32_t code, uint32_t rc, unsigned times);
/* Were all of them? Ends it. */
bool bench_refused(void);

/* --- raw commands: what a stranger on the same bare chip sends, past the engine --- */

/* Appends the header's fields and fills in the length at the end. */
void raw_begin(struct buf *command, uint16_t tag, uint32_t code);
void raw_auth(struct buf *command, uint32_t session); /* an empty password, or a session without */
void raw_end(struct buf *command);

/* Sends it by a connection of its own; the chip's code. */
uint32_t raw_send(struct bench *bench, const struct buf *command, struct buf *ret_answer);

/* An object in the owner's hierarchy; the chip's code, and its handle. */
uint32_t raw_primary(struct bench *bench, uint32_t *ret_handle);
/* An HMAC session, neither salted nor bound. */
uint32_t raw_session(struct bench *bench, uint32_t *ret_handle);
uint32_t raw_flush(struct bench *bench, uint32_t handle);
/* From a slot to a persistent handle, or what lies there out of the chip; by the owner. */
uint32_t raw_evict(struct bench *bench, uint32_t object, uint32_t persistent);
/* A stranger's key at a persistent handle. */
void raw_squat(struct bench *bench, uint32_t handle);
/* A hierarchy that has none gets a password. */
void raw_password(struct bench *bench, uint32_t hierarchy, const char *text);
/* All of a group, whosever they are. */
void raw_flush_all(struct bench *bench, uint32_t group);
/* How many handles the chip lists in this group. */
unsigned raw_count(struct bench *bench, uint32_t group);

#endif
