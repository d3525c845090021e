/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_TRANSPORT_H
#define TPM_TRANSPORT_H

/*
 * Transport: the way to the chip. Below it is a TCTI that Tss2_TctiLdr found; above it looks like
 * a TCTI itself, so that every command passes here, whoever built it. One command in flight.
 *
 * It counts each command by code (holdfast_tpm_commands_total) and times it from its sending to
 * its whole answer (holdfast_tpm_command_microseconds_total, .._worst_microseconds), sends again
 * with growing pauses what the chip wants repeated (RETRY, YIELDED, TESTING, NV_RATE) up to the
 * caller's deadline, refuses answers that are no TPM response, and opens the device anew after it
 * was lost. A device that is plainly absent fails each command at once: there is no waiting for it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct transport;
struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB;

#define TRANSPORT_BUFFER 4096u

/*
 * @conf is a Tss2_TctiLdr string; "" means /dev/tpm0 if it opens, else /dev/tpmrm0.
 * ERR_TPM_REQUIRED when no such device exists, ERR_TPM_FAILED when none opens.
 */
int transport_open(const char *conf, struct transport **ret_transport, struct err *err) MUST_CHECK;
void transport_free(struct transport *transport);
MEM_DEFINE_CLEANUP(transport)

/* The upper face, owned by the transport; for SYS, ESYS or any other TCTI user. */
struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *transport_tcti(struct transport *transport);

/* The conf string in use. */
const char *transport_conf(const struct transport *transport);

/*
 * Who else uses the chip behind this TCTI. Bare is only what is known to be: a simulator or
 * /dev/tpmN. Behind everything else somebody manages objects and sessions, and what is not ours
 * must not be flushed.
 */
enum transport_manager { TRANSPORT_BARE, TRANSPORT_KERNEL, TRANSPORT_OTHER };
enum transport_manager transport_manager(const struct transport *transport);
static inline bool transport_is_managed(const struct transport *transport)
{
	return transport_manager(transport) != TRANSPORT_BARE;
}

/*
 * Closes the device; the next command opens it. Who manages the chip then flushes what this
 * connection had loaded, known to us or not.
 */
void transport_close(struct transport *transport);

/* Bytes of the last answer that was handed up: what a response may claim at most. */
size_t transport_answer_len(const struct transport *transport);

/* CLOCK_MONOTONIC microseconds until which commands may be repeated; 0 = TRANSPORT_PATIENCE_US. */
#define TRANSPORT_PATIENCE_US (30u * 1000u * 1000u)
void transport_set_deadline(struct transport *transport, uint64_t deadline_us);

/*
 * True after the device was lost or answered garbage: what was loaded must be taken for gone.
 * The next command opens it again; transport_clear_lost() says that the caller has noticed.
 */
bool transport_is_lost(const struct transport *transport);
void transport_clear_lost(struct transport *transport);

/* Commands sent since the process started, repetitions included. Any thread. */
uint64_t transport_command_count(void);

/* The same for one command code. */
uint64_t transport_command_count_of(uint32_t code);

#endif
