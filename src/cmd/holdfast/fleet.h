/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_FLEET_H
#define CMD_HOLDFAST_FLEET_H

/*
 * Fleet: the devices that a content key is wrapped for, as files tell their storage keys: what
 * `holdfast device storage-key --format json` prints, or what lies in an origin's DIR/devices. The
 * files come from devices and servers: of each, the Name is worked out again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "artifact/manifest.h"
#include "base/err.h"
#include "base/slice.h"
#include "wrap/public.h"

#define FLEET_MAX      65536u
#define FLEET_FILE_MAX 16384u

/*
 * Reads one file. *ret_says is what it calls itself: that it is so say the attributes
 * (wrap_public_unfit()). ERR_DAMAGED: the Name is that of another key.
 */
int fleet_read(struct slice json, struct wrap_public **ret_storage,
	       enum manifest_protection *ret_says, struct err *err) MUST_CHECK;

/* Has an operator revoked it? All but no such member, or false, is yes. */
bool fleet_is_refused(struct slice json);

struct fleet_device {
	uint8_t name[WRAP_NAME_SIZE];
	uint8_t *area; /* TPM2B_PUBLIC */
	size_t len;
	bool is_named; /* by a file of its own */
};

struct fleet {
	enum manifest_protection protection; /* the least that is taken */
	struct fleet_device *devices;
	size_t count, room;
	size_t left_out; /* of folders: revoked, or say that they have no TPM */
};
void fleet_fini(struct fleet *fleet);

/*
 * Adds a device. With MANIFEST_TPM a key that is no TPM's own is refused (ERR_INVALID), and counted
 * only where it comes with a whole folder and makes no secret of it; so is one that was revoked.
 * ERR_TOO_LARGE over FLEET_MAX.
 */
struct fleet_file {
	struct slice json;
	bool of_folder;
};
int fleet_add(struct fleet *fleet, const struct fleet_file *file, struct err *err) MUST_CHECK;

/* From disk; errors name the file. A folder's are all that end in ".json". */
int fleet_add_file(struct fleet *fleet, const char *path, struct err *err) MUST_CHECK;
int fleet_add_folder(struct fleet *fleet, const char *path, struct err *err) MUST_CHECK;

/* By Name, each once. Names are public: the order is told as by strcmp(). */
void fleet_sort(struct fleet *fleet);
int fleet_order(const uint8_t one[WRAP_NAME_SIZE], const uint8_t other[WRAP_NAME_SIZE]);

#endif
