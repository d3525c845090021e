/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_MANIFEST_H
#define ARTIFACT_MANIFEST_H

/*
 * Manifest: what a publisher signs of a release of an artifact, version 2 (docs/ARTIFACT.md,
 * "Manifest"): JSON of a closed form in CMS SignedData. It is not secret. A reader takes nothing
 * from a server that the manifest does not name, and nothing from a manifest whose signer is not
 * led to its anchors.
 */

#include <stdbool.h>
#include <stdint.h>

#include "artifact/resource.h"
#include "base/buf.h"
#include "crypto/cms.h"

/* The extended key usage of who signs manifests; that of version 1 is none of it. */
#define MANIFEST_USAGE "2.25.117605614488763127874438682632241167710"

#define MANIFEST_MAX	     32768u /* bytes of the JSON */
#define MANIFEST_DIGEST	     32u
#define MANIFEST_DIGEST_HEX  65u /* with a NUL */
#define MANIFEST_SERIAL_MAX  UINT64_C(9007199254740991)
#define MANIFEST_VERSION_MAX 128u
#define MANIFEST_IMAGES	     32u
#define MANIFEST_REF_MAX     512u
#define MANIFEST_ID_MAX	     72u

enum manifest_type { MANIFEST_FILE, MANIFEST_IMAGES_ARCHIVE, MANIFEST_TYPES };
const char *manifest_type_name(enum manifest_type type); /* "file", "docker-archive" */

/* The least that must hold the key that a device key is wrapped to. */
enum manifest_protection { MANIFEST_SOFTWARE, MANIFEST_TPM, MANIFEST_PROTECTIONS };
const char *manifest_protection_name(enum manifest_protection protection); /* "tpm" */

struct manifest_image {
	char ref[MANIFEST_REF_MAX];
	char id[MANIFEST_ID_MAX]; /* "sha256:<64 lower hex>" */
};

struct manifest {
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[ARTIFACT_NAME_MAX + 1];
	enum manifest_type type;
	char version[MANIFEST_VERSION_MAX + 1]; /* printable ASCII, for people alone */
	uint64_t serial;			/* 1 to MANIFEST_SERIAL_MAX; only rises */
	int64_t expires;			/* seconds since 1970; 0: never */
	unsigned min_format; /* 1: version 1 of this name goes on; 2: never again */
	enum manifest_protection protection;
	uint64_t plain_size;			 /* bytes that come out */
	uint64_t payload_size;			 /* of the file on the CDN */
	uint8_t payload_digest[MANIFEST_DIGEST]; /* SHA-256 of that */
	size_t image_count;			 /* 0 unless it is an archive of images */
	struct manifest_image images[MANIFEST_IMAGES];
	uint8_t digest[MANIFEST_DIGEST]; /* SHA-256 of the JSON: what device keys are bound to */
};

/* Some 20 KiB: on the heap. */
void manifest_free(struct manifest *manifest);
MEM_DEFINE_CLEANUP(manifest)

/*
 * JSON of a manifest, in the one form that writers make (members in the order of docs/ARTIFACT.md,
 * no blanks). Fills in @manifest->digest. ERR_INVALID names the member.
 */
int manifest_write(struct manifest *manifest, struct buf *ret_json, struct err *err) MUST_CHECK;

/*
 * Reads any JSON of these members. ERR_DAMAGED: no manifest; ERR_NOT_SUPPORTED: of another version,
 * type, cipher, or with a member that is not known here, which a newer reader may need.
 */
int manifest_parse(struct slice json, struct manifest **ret_manifest, struct err *err) MUST_CHECK;

/*
 * Verifies and parses: the way of readers. @resource is what was asked for; a manifest of something
 * else is ERR_WRONG_NAME. ERR_DAMAGED, ERR_FORBIDDEN (the signer) of cms_verify(); @at as there.
 * Serial, expiry and format are the caller's policy (artifact/floor.h).
 */
struct manifest_trust {
	struct slice anchors;
	int64_t at;
};
int manifest_open(struct slice whole, const struct resource *resource,
		  const struct manifest_trust *trust, struct manifest **ret_manifest,
		  struct err *err) MUST_CHECK;
/*
 * For one that manifest_open() finds ERR_NOT_SUPPORTED: verified just so, and then what counts for
 * the floor all the same. Nothing is set but folder, name, serial, expires, min_format (what is not
 * known here is 2) and digest. ERR_NOT_SUPPORTED: of another version, which may mean them
 * otherwise.
 */
int manifest_open_outline(struct slice whole, const struct resource *resource,
			  const struct manifest_trust *trust, struct manifest **ret_manifest,
			  struct err *err) MUST_CHECK;

/* What it is of; borrowed. */
struct resource manifest_resource(const struct manifest *manifest);

void manifest_hex(const uint8_t digest[MANIFEST_DIGEST], char ret_hex[MANIFEST_DIGEST_HEX]);

#endif
