/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_FAPI_RC_H
#define CMD_HOLDFAST_FAPI_RC_H

/* Rc: what a return code of libtss2-fapi means in our words. Pure. */

#include <stdint.h>

#include "base/err.h"

/*
 * Fills @err with code, text and remedy for @rc (a TSS2_RC) of the call @step, such as
 * "Fapi_Provision": the same number means different things in different calls. @hierarchy is the
 * one that FAPI asked a password for ("/HS", ..), empty when it asked for none. Returns the code.
 */
int rc_fill(uint32_t rc, const char *step, const char *hierarchy, struct err *err);

#endif
