/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_PAYLOAD_IMPL_H
#define ARTIFACT_PAYLOAD_IMPL_H

/* What sealing and opening of payloads share: header and key. */

#include "artifact/payload.h"

#define PAYLOAD_SALT	 32u
#define PAYLOAD_INFO_MAX (64u + RESOURCE_FOLDER_MAX + ARTIFACT_NAME_MAX)

struct payload_header {
	uint64_t plain;
	uint8_t salt[PAYLOAD_SALT];
};

void payload_header_write(const struct payload_header *header, uint8_t ret_bytes[PAYLOAD_HEADER]);
/* ERR_DAMAGED, ERR_NOT_SUPPORTED. */
int payload_header_read(const uint8_t bytes[PAYLOAD_HEADER], struct payload_header *ret_header,
			struct err *err) MUST_CHECK;

/* What the key of the stream is bound to; appended. ERR_INVALID: no such release. */
int payload_info(const struct payload_release *release, struct buf *ret_info, struct err *err)
	MUST_CHECK;

/* The stream of a header as it stands in the file, under the content key. */
struct payload_binding {
	const struct secret *key; /* PAYLOAD_KEY bytes */
	struct slice info;
	const uint8_t *header; /* PAYLOAD_HEADER bytes */
};
int payload_stream(const struct payload_binding *binding, struct stream **ret_stream,
		   struct err *err) MUST_CHECK;

#endif
