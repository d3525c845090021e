/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

/*
 * Wire: the framing of raw TPM commands on swtpm's data socket (a command in, its response out,
 * TPM 2.0 Part 1 "Command/Response Structure") and the few messages that a TCTI sends on the
 * control socket. Pure: bytes in, bytes out; no sockets of its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#define WIRE_MAX    4096u /* bytes of a command or of a response */
#define WIRE_HEADER 10u	  /* tag, size, code */

/*
 * How many bytes of @received are the first command: 0 when more must come, WIRE_BAD when it can
 * become none (the size is under WIRE_HEADER or over WIRE_MAX).
 */
#define WIRE_BAD SIZE_MAX
size_t wire_command_size(struct slice received);

/* The response that is nothing but a code. */
void wire_refuse(struct buf *ret_response, uint32_t rc);

/*
 * Control socket: how many bytes of @received are the first message, 0 when more must come; and
 * appends the answer to it: success to SET_LOCALITY 0, a polite error to everything else.
 */
size_t wire_control(struct slice received, struct buf *ret_answer);

#endif
