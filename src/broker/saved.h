/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_SAVED_H
#define BROKER_SAVED_H

/*
 * Saved: what a tenant gets for a saved context, instead of the chip's. It is a TPMS_CONTEXT (TPM
 * 2.0 Part 2, 14.5) whose blob is ours: encrypted and authenticated under a key of the broker and
 * the tenant, so that nobody else can load it, and only as it was saved. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "broker/broker.h"

#define SAVED_CONTEXT_MAX 4086u /* bytes of a TPMS_CONTEXT in a response of WIRE_MAX */

struct saved_key {
	const struct secret *broker;
	const uint8_t *id; /* BROKER_TENANT_ID_SIZE bytes */
};

/* The outer fields, which stand in clear and cannot be changed either. */
struct saved_head {
	uint64_t sequence;
	uint32_t handle;
	uint32_t hierarchy;
};

struct saved {
	struct saved_head head;
	uint8_t kind; /* enum guest_kind */
	bool no_da;
	struct slice context; /* an object's TPMS_CONTEXT, of a session our reference */
	struct slice recipe;  /* may be empty */
};

/* Appends the TPMS_CONTEXT, without the recipe where it does not fit. ERR_TOO_LARGE. */
int saved_seal(const struct saved_key *key, const struct saved *saved, struct buf *ret_context,
	       struct err *err) MUST_CHECK;

/* What is saved borrows from *ret_plain. ERR_DAMAGED: changed, or not of this tenant. */
int saved_open(const struct saved_key *key, const struct saved_head *head, struct slice blob,
	       struct saved *ret_saved, struct secret **ret_plain, struct err *err) MUST_CHECK;

#endif
