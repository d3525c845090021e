/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TEST_RELEASE_H
#define LOADER_TEST_RELEASE_H

/*
 * Releases of version 2 for a world, signed by the vectors' signer, and a device with a storage key
 * in software that may say that it is a TPM's.
 */

#include "artifact/device_key.h"
#include "artifact/payload.h"
#include "loader/test_world.h"

struct device {
	struct pkey *pair;
	struct wrap_public *public;
	struct loader_device ops;
	bool is_tpm;
	int key_code, unwrap_code; /* 0: it answers */
	unsigned asked, asked_anew, unwrapped;
};
void device_make(struct device *device);
void device_fini(struct device *device);

/* Zeroed members: 1 for serial and min_format, a file called net.bin for any device. */
struct release_wish {
	uint64_t serial;
	size_t plain;
	int64_t expires;
	unsigned min_format;
	enum manifest_protection protection;
	const char *name;
	bool is_archive;
	bool is_stranger; /* nobody's signer */
	bool unknown;	  /* its manifest has a member of a later version */
};

struct release {
	struct manifest *manifest;
	struct secret *key;
	struct buf plain, payload, whole, line;
	char file[80]; /* models/<digest>.payload */
	char keys[80]; /* models/<manifest's digest>.keys */
};
void release_make(struct release *release, const struct release_wish *wish,
		  const struct device *device);
void release_fini(struct release *release);
/* Another line of its key: for a device, of a manifest. */
void release_line(const struct release *release, const struct device *device,
		  const uint8_t *manifest, struct buf *ret_line);

/* The API, the CDN and the configuration have it; NULL: nobody has. */
void release_publish(struct world *world, const struct release *release);
/* Sets anchors and device. */
void release_begin(struct world *world, struct device *device);
void release_end(void);

#endif
