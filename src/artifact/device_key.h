/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_DEVICE_KEY_H
#define ARTIFACT_DEVICE_KEY_H

/*
 * Device key: the content key of one release, wrapped for one device (docs/ARTIFACT.md, "Device
 * keys"): 32 bytes of key and the manifest's digest, as a duplicate that its storage key alone
 * opens (wrap/duplicate.h). Written as one line of JSON, which begins with the storage key's Name,
 * so that the sorted lines of a fleet can be searched without being parsed:
 *
 *   {"storage_key":"<68 hex>","manifest":"<64 hex>","public":"..","duplicate":"..","seed":".."}
 */

#include "artifact/manifest.h"
#include "artifact/payload.h"
#include "wrap/duplicate.h"

#define DEVICE_KEY_LINE_MAX 2048u /* with its line end */
#define DEVICE_KEY_PREFIX   "{\"storage_key\":\""

/* Appends the line for a device, with a line end. @key is PAYLOAD_KEY bytes. */
int device_key_make(const struct wrap_public *storage, const struct secret *key,
		    const uint8_t manifest[MANIFEST_DIGEST], struct buf *ret_line, struct err *err)
	MUST_CHECK;

struct device_key {
	uint8_t storage_key[WRAP_NAME_SIZE];
	uint8_t manifest[MANIFEST_DIGEST];
	struct duplicate_made wrapped;
};
#define DEVICE_KEY_INIT                                                                            \
	{                                                                                          \
		.wrapped = DUPLICATE_MADE_INIT                                                     \
	}
void device_key_fini(struct device_key *key);
static inline void device_key_cleanup(struct device_key *key)
{
	device_key_fini(key);
}
/* With or without the line end. ERR_DAMAGED; what is in @ret_key is replaced. */
int device_key_parse(struct slice line, struct device_key *ret_key, struct err *err) MUST_CHECK;

/*
 * What came out of the unwrapping: the content key, when it is of this manifest. ERR_DAMAGED: it is
 * of another one, or no device key.
 */
int device_key_take(const struct secret *unwrapped, const uint8_t manifest[MANIFEST_DIGEST],
		    struct secret **ret_key, struct err *err) MUST_CHECK;

/*
 * Lines of a fleet, sorted by Name, each once: finds a device's by reading a few places of the
 * file. @read gives up to @len bytes from @at, fewer only at the end. Appends the line without its
 * end. ERR_NOT_FOUND; ERR_DAMAGED: lines that are not as they have to be.
 */
struct device_keys {
	uint64_t size;
	int (*read)(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		    struct err *err);
	void *arg;
};
int device_keys_find(const struct device_keys *keys, const char name_hex[WRAP_NAME_HEX],
		     struct buf *ret_line, struct err *err) MUST_CHECK;

#endif
