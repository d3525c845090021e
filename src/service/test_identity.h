/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_TEST_IDENTITY_H
#define SERVICE_TEST_IDENTITY_H

/* Views of a device's identity, as whoever settles it would give them. */

#include "identity/identity.h"
#include "service/test_fixture.h"

#define IDENTITY_HANDLE 0x81000100u

/*
 * In the mode, with what belongs to it: ENABLED, DEGRADED and CONFLICT a key in the TPM at
 * IDENTITY_HANDLE, SOFTWARE one of its own; both with a certificate.
 */
struct identity_view *view_of(enum identity_mode mode);
/* .. and put in force. */
void use_view(struct fixture *fixture, enum identity_mode mode);
/* Another certificate of the view's key, while nobody else has the view. */
void certify(struct identity_view *view, int64_t not_before, int64_t not_after);

#endif
