/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_DEVICES_H
#define ORIGIN_DEVICES_H

/*
 * Devices: who may ask for device keys. A device tells its storage key; it gets a challenge that
 * only this key can open, and what is in that is its name for DEVICES_S seconds. Two kinds are let
 * in:
 *
 * - one whose file (origin/device_file.h) an operator has put there (`holdfast artifact enrol`):
 *   challenged by a duplicate for the storage key
 * - one with an endorsement key that is believed to be a TPM's: its certificate leads to ek_anchors
 *   and has that very key, or its Name is in ek_names. The storage key's attributes must say
 *   restricted, decrypt, fixedTPM, fixedParent, sensitiveDataOrigin; challenged by MakeCredential
 *   over its Name, which proves all of that. The first time that it comes back with the secret its
 *   file is written, with the Name of the endorsement key, which is from then on the only one
 *
 * This is the table of sessions, in memory. A session is open until its secret has come back, for
 * DEVICES_OPEN_S at most: any user who knows a device's public halves can begin one. So open ones
 * make room for open ones only, and nobody ends what another user has begun as long as that one has
 * fewer of them: of a storage key, and of an endorsement key, each user has DEVICES_EACH open ones,
 * and where there is no room the oldest one of the user with most of them goes. Of confirmed ones a
 * device has DEVICES_EACH, and the oldest makes room. Of secrets the SHA-256 is kept alone.
 *
 * Of one thread; it reads and writes nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "wrap/public.h"

#define DEVICES_MAX	 16384u /* sessions, of them: */
#define DEVICES_OPEN_MAX 4096u
#define DEVICES_EACH	 4u
#define DEVICES_S	 (4u * 3600u)
#define DEVICES_OPEN_S	 600u
#define DEVICE_HEADER	 "Holdfast-Device"
#define DEVICE_SECRET	 32u /* bytes that a challenge hides */
#define DEVICE_DIGEST	 32u

/* Whose a session is. */
struct device {
	unsigned user;		      /* who asked for it (origin/users.h) */
	uint8_t name[WRAP_NAME_SIZE]; /* of the storage key */
	bool has_ek;		      /* challenged by this endorsement key */
	uint8_t ek_name[WRAP_NAME_SIZE];
	/* The storage key's, to be written when the secret comes back; 0: the device has its file.
	 */
	size_t area_len;
	uint8_t area[WRAP_PUBLIC_MAX];
};

/* What is kept of a secret: SHA-256 of its text in the header, base64url without padding. */
int device_digest(struct slice text, uint8_t ret_digest[DEVICE_DIGEST], struct err *err) MUST_CHECK;

struct devices;
int devices_new(struct devices **ret_devices, struct err *err) MUST_CHECK;
void devices_free(struct devices *devices);
MEM_DEFINE_CLEANUP(devices)

/* An open session; @digest is of its secret. ERR_INTERNAL: memory is short. */
int devices_begin(struct devices *devices, const struct device *device,
		  const uint8_t digest[DEVICE_DIGEST], uint64_t now_us, struct err *err) MUST_CHECK;
/* Whose it is; false: nobody's, or it is over. A confirmed one has no area. */
bool devices_find(struct devices *devices, const uint8_t digest[DEVICE_DIGEST], uint64_t now_us,
		  struct device *ret_device);
/* The secret has come back, and the file is there. Does nothing for what is gone or confirmed. */
void devices_confirm(struct devices *devices, const uint8_t digest[DEVICE_DIGEST], uint64_t now_us);
/* It is no device any more, or not by this endorsement key. */
void devices_end(struct devices *devices, const uint8_t digest[DEVICE_DIGEST]);

#endif
