/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_RC_H
#define TPM_RC_H

/* Rc: what a TSS2_RC means to us: an error of the closed set, a text and a remedy. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Fills @err for @rc, which is not success: "what: meaning". Returns the code. An unknown code
 * of the chip is ERR_TPM_FAILED; a failing layer below the chip too.
 */
int rc_err(struct err *err, uint32_t rc, const char *what);

/* The chip's code without the number of parameter, handle or session it complains about. */
uint32_t rc_base(uint32_t rc);

/* A session or object that we hold is gone: after a reset, a restart, or somebody's flush. */
bool rc_is_stale(uint32_t rc);

/* Not the chip's word but a layer's: the outcome of the command is unknown. */
bool rc_is_layer(uint32_t rc);

/* The chip refused an authorisation. */
bool rc_is_refusal(uint32_t rc);

/* The failure was counted against dictionary attack, or the counter has reached its end. */
bool rc_is_counted(uint32_t rc);

/* The chip finds fault with a parameter that it was given, and with no session or handle. */
bool rc_is_of_parameter(uint32_t rc);

/*
 * The same, and what a chip says of input without a number: format one with none at all (INTEGRITY,
 * BINDING, ECC_POINT, SIZE, KEY ..) but for authorisations and hierarchies, NO_RESULT, SENSITIVE.
 */
bool rc_is_of_input(uint32_t rc);

/* Passing, by the chip's own word: the same command may succeed another time. */
bool rc_is_warning(uint32_t rc);

/* No room for objects or sessions now: flush something and try again. */
bool rc_is_full(uint32_t rc);

/* What of the chip's must be freed so that the command fits. */
enum rc_want { RC_WANTS_NOTHING, RC_WANTS_OBJECT, RC_WANTS_SESSION, RC_WANTS_ANY, RC_WANTS_GAP };
enum rc_want rc_want(uint32_t rc);

#endif
