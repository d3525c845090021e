/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_DEVICE_FILE_H
#define ORIGIN_DEVICE_FILE_H

/*
 * Device_file: DIR/devices/<Name of the storage key, hex>.json: which devices there are, written by
 * an operator or at a device's first coming. Nothing else says so; who takes a file away takes its
 * device away. What is in it is believed only when it is whole, in this form, and of its name:
 *
 *   {"storage_key":{"public":base64,"name":hex},"protection":"tpm"|"software",
 *    "ek_name":hex or null,"enrolled":seconds[,"refused":bool]}
 *
 * One that is refused keeps its device out, whatever a certificate says, and is never replaced
 * here (`holdfast artifact enrol --revoke`).
 *
 * Everything here that touches the disk belongs on the pool.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wrap/public.h"

#define DEVICE_FILE_MAX	 4096u
#define DEVICE_FILES_MAX 100000u /* that devices make by themselves */

static inline bool device_names_equal(const uint8_t a[WRAP_NAME_SIZE],
				      const uint8_t b[WRAP_NAME_SIZE])
{
	return slice_equal(slice_of(a, WRAP_NAME_SIZE), slice_of(b, WRAP_NAME_SIZE));
}

struct device_file {
	uint8_t name[WRAP_NAME_SIZE];
	bool in_tpm; /* protection */
	bool has_ek; /* enrolled by it: the only one from then on */
	uint8_t ek_name[WRAP_NAME_SIZE];
	uint64_t enrolled; /* seconds since 1970 */
	bool refused;	   /* it is no device any more; read only */
};

/* ERR_UNREADABLE: it is no such file, or of another device than @name. */
int device_file_parse(struct slice json, const uint8_t name[WRAP_NAME_SIZE],
		      struct device_file *ret_file, struct err *err) MUST_CHECK;
/* Appends it. @area is the storage key's. */
int device_file_put(const struct device_file *file, struct slice area, struct buf *ret_json,
		    struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: there is no such device; ERR_UNREADABLE as above. */
int device_file_read(int root, const uint8_t name[WRAP_NAME_SIZE], struct device_file *ret_file,
		     struct err *err) MUST_CHECK;
/* Durably. ERR_CONFLICT: there is one; ERR_QUOTA: over DEVICE_FILES_MAX of them. */
int device_file_add(int root, const struct device_file *file, struct slice area, struct err *err)
	MUST_CHECK;

#endif
