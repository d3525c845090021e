/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant has used up: room, keys, and the numbers of its attestation keys. */
#include "keystore/keystore.h"

#define COUNTER_NAME "aik.next"
#define COUNTER_SIZE 4u

int keystore_usage(struct store *store, const char *tenant, uint64_t *ret_keys,
		   uint64_t *ret_stored, struct err *err)
{
	struct store_usage kinds[STORE_KINDS];

	for (size_t kind = 0; kind < STORE_KINDS; kind++) {
		int r = store_usage(store, tenant, (enum store_kind)kind, &kinds[kind], err);

		if (r < 0)
			return r;
	}
	*ret_keys = kinds[STORE_KEYS].records + kinds[STORE_AIKS].records;
	*ret_stored = kinds[STORE_SECRETS].bytes + kinds[STORE_PERSISTENT].bytes;
	return 0;
}

/* None yet, unless attestation keys say otherwise: a number that was given must not come again. */
static int first_number(struct store *store, const char *tenant, struct err *err)
{
	struct store_usage aiks = {0};
	int r = store_usage(store, tenant, STORE_AIKS, &aiks, err);

	if (r < 0)
		return r;
	return aiks.records == 0 ? 0
				 : err_set(err, ERR_UNREADABLE,
					   "the counter of the tenant's attestation keys is gone, "
					   "but the keys are there");
}

static int counter_damaged(struct err *err)
{
	return err_set(err, ERR_UNREADABLE,
		       "the counter of the tenant's attestation keys is damaged");
}

static int read_counter(struct store *store, const char *tenant, uint32_t *ret_next,
			struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *content = NULL;
	int r = store_twin_read(store, tenant, COUNTER_NAME, &content, err);
	struct cursor cursor;
	uint32_t next;

	if (r == ERR_NOT_FOUND) {
		r = first_number(store, tenant, err);
		if (r == 0)
			*ret_next = 0;
		return r;
	}
	if (r == ERR_DAMAGED)
		return counter_damaged(err);
	if (r < 0)
		return r;
	cursor = cursor_of(secret_slice(content));
	next = cursor_u32(&cursor);
	if (!cursor_done(&cursor) || next > BLOB_AIK_NUMBERS)
		return counter_damaged(err);
	*ret_next = next;
	return 0;
}

int keystore_aik_number(struct store *store, const char *tenant, uint32_t *ret_number,
			struct err *err)
{
	CLEANUP(buf_fini) struct buf after = BUF_INIT(COUNTER_SIZE);
	uint32_t next = 0;
	int r = read_counter(store, tenant, &next, err);

	if (r < 0)
		return r;
	if (next == BLOB_AIK_NUMBERS)
		return err_set(err, ERR_CONFLICT,
			       "the tenant has had %u attestation keys, and no number is left",
			       BLOB_AIK_NUMBERS);
	buf_put_u32(&after, next + 1);
	if (!buf_ok(&after))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = store_twin_write(store, tenant, COUNTER_NAME, buf_slice(&after), err);
	if (r == 0)
		*ret_number = next;
	return r;
}
