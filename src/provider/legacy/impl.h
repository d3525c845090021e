/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_LEGACY_IMPL_H
#define PROVIDER_LEGACY_IMPL_H

/* What the legacy provider's own files share. */

#include "provider/legacy/key_cache.h"
#include "provider/legacy/legacy.h"
#include "provider/provider.h"
#include "wrap/public.h"

/* The storage key; it never changes. */
struct legacy_storage {
	struct pkey *pair;
	struct wrap_public *public;
};

struct legacy {
	struct provider provider; /* first: what the ops are given */
	struct secret *host_key;
	struct legacy_storage storage;
	struct key_cache keys;
};

static inline struct legacy *legacy_of(struct provider *p)
{
	return (struct legacy *)p;
}

/* Labels under which the host key is hashed. Sealed data never open as a key, or the reverse. */
#define LEGACY_LABEL_SEALED "holdfast legacy sealed"
#define LEGACY_LABEL_KEY    "holdfast legacy key"

/* What an object is bound to. */
struct legacy_binding {
	const struct legacy *legacy;
	const char *label;
	struct slice header;
};
int legacy_object_seal(const struct legacy_binding *to, struct slice plain, struct buf *ret_object,
		       struct err *err) MUST_CHECK;
int legacy_object_open(const struct legacy_binding *to, struct slice object,
		       struct secret **ret_plain, struct err *err) MUST_CHECK;

/* keys.c: calls of provider_ops. */
int legacy_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
		      struct key_result *ret_key, struct err *err) MUST_CHECK;
int legacy_key_import(struct provider *p, struct slice header, const struct key_source *source,
		      struct key_result *ret_key, struct err *err) MUST_CHECK;
int legacy_key_export(struct provider *p, struct slice header, struct slice object,
		      struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
	MUST_CHECK;
int legacy_key_sign(struct provider *p, struct slice header, struct slice object,
		    const struct sign_request *request, struct buf *ret_signature, struct err *err)
	MUST_CHECK;
int legacy_key_decrypt(struct provider *p, struct slice header, struct slice object,
		       const struct decrypt_request *request, struct secret **ret_plain,
		       struct err *err) MUST_CHECK;
int legacy_key_agree(struct provider *p, struct slice header, struct slice object,
		     const struct pkey *peer, struct secret **ret_shared, struct err *err)
	MUST_CHECK;
int legacy_key_mac(struct provider *p, struct slice header, struct slice object, struct slice data,
		   struct buf *ret_mac, struct err *err) MUST_CHECK;
int legacy_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
			struct slice object, struct pieces **ret_pieces, struct err *err)
	MUST_CHECK;
int legacy_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece,
		      struct err *err) MUST_CHECK;
int legacy_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
		      struct buf *ret_result, struct err *err) MUST_CHECK;
void legacy_pieces_free(struct provider *p, struct pieces *pieces);

/* storage.c */
int legacy_storage_init(struct legacy_storage *storage, const struct secret *host_key,
			struct err *err) MUST_CHECK;
void legacy_storage_fini(struct legacy_storage *storage);
int legacy_storage_key(struct provider *p, struct key_result *ret_key, struct err *err) MUST_CHECK;
int legacy_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
		  struct secret **ret_plain, struct err *err) MUST_CHECK;

#endif
