/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_GUESTS_H
#define SUPPORT_GUESTS_H

/*
 * A provider that has guests and no chip: objects and sessions are numbers in memory, and every
 * command succeeds that names what is there. An object's Name follows from the command that made it
 * and from its parent, as a primary key's does. What a test wants otherwise it says here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "provider/guest.h"
#include "provider/provider.h"

#define GUESTS_LIST_MAX 16u

/* TPMA_OBJECT of an endorsement key: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy,
 * restricted, decrypt. */
#define GUESTS_EK 0x000300b2u

struct guests {
	struct provider provider; /* first */
	struct provider_guest *first;
	unsigned alive;	   /* guests that were not freed */
	unsigned commands; /* that came, answered from here or not */
	uint32_t next_object, next_session;
	uint8_t seed; /* part of every Name: another chip, or a Clear */
	uint64_t epoch;
	struct guest_lockout lockout; /* as it was read last */
	uint32_t counter;	      /* what the chip says when it is asked */
	unsigned sessions_max;	      /* 0 = no end; beyond it TPM_RC_SESSION_HANDLES */
	uint32_t answer;     /* the next command of answer_to is answered so; 0 = as it goes */
	uint32_t answer_to;  /* a code; 0 = any */
	bool resets;	     /* the next command finds the chip reset */
	int fails;	     /* enum err_code of the next command; 0 = none */
	uint32_t attributes; /* TPMA_OBJECT of persistent keys, TPMA_NV of indices */
	uint32_t persistent[GUESTS_LIST_MAX], nv[GUESTS_LIST_MAX]; /* handles in order; 0 ends */
	unsigned page; /* handles in one answer; 0 = all of them */
	struct {
		uint32_t attributes; /* 0 = as all of them */
		uint64_t name;
	} keys[GUESTS_LIST_MAX];       /* of persistent[] */
	uint8_t last[GUEST_BYTES_MAX]; /* the last command, as a chip would have got it */
	size_t last_len;
};

void guests_init(struct guests *guests);
void guests_fini(struct guests *guests); /* those that are left too */

/* A reset: all is lost, and saved contexts are of no use any more. */
void guests_reset(struct guests *guests);

/* Somebody flushes it. */
void guests_lose(struct guests *guests, struct provider_guest *guest);

#endif
