/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: one file each. Creating leaves it to the file system to say whether the name is taken;
 * replacing and removing read first, since what cannot be read must be neither overwritten nor
 * lost.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "store/impl.h"

#define RECORD_VERSION	 1u
#define RECORD_HEAD_SIZE 5u
#define RECORD_MAC_SIZE	 32u
#define RECORD_MAX	 (RECORD_HEAD_SIZE + STORE_CONTENT_MAX + RECORD_MAC_SIZE)

#define REPLACE_TRIES	 8u
#define QUARANTINE_TRIES 1000u

static const uint8_t RECORD_HEAD[RECORD_HEAD_SIZE] = {'H', 'F', 'R', 'C', RECORD_VERSION};

static const char *const KIND_WORDS[STORE_KINDS] = {
	[STORE_KEYS] = "key",
	[STORE_SECRETS] = "secret",
	[STORE_AIKS] = "attestation key",
	[STORE_PERSISTENT] = "persistent object",
};

uint64_t store_record_bytes(size_t content_len)
{
	return store_file_bytes(RECORD_HEAD_SIZE + content_len + RECORD_MAC_SIZE);
}

static int absent(const struct store_id *id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no %s named %s", KIND_WORDS[id->kind],
		       id->name);
}

static int check_call(const struct store *store, const struct store_id *id, struct slice content,
		      struct err *err)
{
	if (!store->mac_key)
		return err_set(err, ERR_INTERNAL, "the store has no key yet");
	if (!store_tenant_ok(id->tenant))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	if (!store_name_ok(id->name))
		return err_set(err, ERR_INVALID,
			       "not a name: 1 to %u of A-Z a-z 0-9 . _ - without a leading dot",
			       STORE_NAME_MAX);
	if (content.len > STORE_CONTENT_MAX)
		return err_set(err, ERR_TOO_LARGE, "the %s is too large to be stored",
			       KIND_WORDS[id->kind]);
	return 0;
}

static int open_records(const struct store *store, const struct store_id *id, bool create,
			int *ret_fd, struct err *err)
{
	const char *const path[] = {STORE_TENANTS, id->tenant, store_kind_folder(id->kind), NULL};

	return store_folder(store, path, create, ret_fd, err);
}

static int record_mac(const struct store *store, struct slice content, uint8_t *ret_mac,
		      struct err *err)
{
	const struct slice parts[] = {slice_of(RECORD_HEAD, sizeof(RECORD_HEAD)), content};

	return hash_hmac(HASH_SHA256, secret_slice(store->mac_key), parts, ARRAY_LEN(parts),
			 ret_mac, err);
}

/* *ret_content borrows from @record. */
static int verify(const struct store *store, struct slice record, struct slice *ret_content,
		  struct err *err)
{
	struct cursor cursor = cursor_of(record);
	uint8_t mac[HASH_MAX_SIZE];
	struct slice head, content, stored;
	int r;

	if (record.len < RECORD_HEAD_SIZE + RECORD_MAC_SIZE)
		return err_set(err, ERR_DAMAGED, "the record is cut short");
	head = cursor_take(&cursor, RECORD_HEAD_SIZE);
	content = cursor_take(&cursor, record.len - RECORD_HEAD_SIZE - RECORD_MAC_SIZE);
	stored = cursor_take(&cursor, RECORD_MAC_SIZE);
	if (!slice_equal(head, slice_of(RECORD_HEAD, sizeof(RECORD_HEAD))))
		return err_set(err, ERR_DAMAGED, "the record does not begin as one");
	r = record_mac(store, content, mac, err);
	if (r < 0)
		return r;
	if (!secret_equal(stored, slice_of(mac, RECORD_MAC_SIZE)))
		return err_set(err, ERR_DAMAGED, "the record was changed or cut short");
	*ret_content = content;
	return 0;
}

/* Reads and verifies into @record, which *ret_content borrows from. */
static int load(const struct store *store, const struct store_id *id, struct buf *record,
		struct slice *ret_content, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r;

	r = open_records(store, id, false, &dir, err);
	if (r == 0)
		r = file_read(dir, id->name, record, err);
	if (r == ERR_NOT_FOUND)
		return absent(id, err);
	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_DAMAGED, "the record is larger than any can be");
	if (r < 0)
		return r;
	return verify(store, buf_slice(record), ret_content, err);
}

int store_read(struct store *store, const struct store_id *id, struct buf *ret_content,
	       struct err *err)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
	struct slice content = slice_of(NULL, 0);
	int r;

	r = check_call(store, id, slice_of(NULL, 0), err);
	if (r < 0)
		return r;
	r = load(store, id, &record, &content, err);
	if (r < 0)
		return r;
	if (content.len > ret_content->max - ret_content->len)
		return err_set(err, ERR_TOO_LARGE, "the record is larger than expected");
	buf_put(ret_content, content);
	if (!buf_ok(ret_content))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

static int write_record(const struct store *store, const struct store_id *id, struct slice content,
			enum file_write how, struct err *err)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
	CLEANUP(fd_close_cleanup) int dir = -1;
	uint8_t mac[HASH_MAX_SIZE];
	uint8_t *whole;
	int r;

	r = record_mac(store, content, mac, err);
	if (r < 0)
		return r;
	whole = buf_grow(&record, RECORD_HEAD_SIZE + content.len + RECORD_MAC_SIZE);
	if (!whole)
		return err_set(err, ERR_INTERNAL, "memory is short");
	memcpy(whole, RECORD_HEAD, RECORD_HEAD_SIZE);
	if (content.len > 0)
		memcpy(whole + RECORD_HEAD_SIZE, content.data, content.len);
	memcpy(whole + RECORD_HEAD_SIZE + content.len, mac, RECORD_MAC_SIZE);
	r = open_records(store, id, true, &dir, err);
	if (r < 0)
		return r;
	return file_write(dir, id->name, buf_slice(&record), STORE_FILE_MODE, how, err);
}

int store_create(struct store *store, const struct store_id *id, struct slice content,
		 struct err *err)
{
	int r = check_call(store, id, content, err);

	if (r < 0)
		return r;
	r = write_record(store, id, content, FILE_CREATE, err);
	if (r == ERR_CONFLICT)
		return err_set(err, ERR_CONFLICT, "there is a %s named %s already",
			       KIND_WORDS[id->kind], id->name);
	return r;
}

/* One try: ERR_CONFLICT when another thread made the record in between. */
static int replace_once(struct store *store, const struct store_id *id, struct slice content,
			bool *ret_created, struct err *err)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
	struct slice old;
	bool created;
	int r;

	r = load(store, id, &record, &old, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	created = r == ERR_NOT_FOUND;
	r = write_record(store, id, content, created ? FILE_CREATE : FILE_REPLACE, err);
	if (r == 0)
		*ret_created = created;
	return r;
}

int store_replace(struct store *store, const struct store_id *id, struct slice content,
		  bool *ret_created, struct err *err)
{
	unsigned tries;
	int r;

	r = check_call(store, id, content, err);
	if (r < 0)
		return r;
	r = ERR_CONFLICT;
	for (tries = 0; r == ERR_CONFLICT && tries < REPLACE_TRIES; tries++)
		r = replace_once(store, id, content, ret_created, err);
	return r;
}

/* <tenant>.<kind>.<name>.<time>, and -2, -3, .. for those of the same second. */
static int move_aside(const struct store *store, const struct store_id *id, int dir,
		      struct err *err)
{
	CLEANUP(fd_close_cleanup) int quarantine = -1;
	CLEANUP(buf_fini) struct buf name = BUF_INIT(NAME_MAX);
	unsigned tries;
	int r;

	r = file_make_dir(store->dir, STORE_QUARANTINE, STORE_DIR_MODE, &quarantine, err);
	if (r < 0)
		return r;
	r = ERR_CONFLICT;
	for (tries = 1; r == ERR_CONFLICT && tries <= QUARANTINE_TRIES; tries++) {
		buf_reset(&name);
		buf_printf(&name, "%s.%s.%s.%" PRId64, id->tenant, store_kind_folder(id->kind),
			   id->name, (int64_t)time(NULL));
		if (tries > 1)
			buf_printf(&name, "-%u", tries);
		buf_put_u8(&name, '\0');
		if (!buf_ok(&name))
			return err_set(err, ERR_INTERNAL, "memory is short");
		r = file_move(dir, id->name, quarantine, (const char *)name.data, err);
	}
	return r;
}

/* The name may have gone by a removal that could not be made durable: only now it is. */
static int gone(struct store *store, const struct store_id *id, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = open_records(store, id, false, &dir, err);

	if (r == 0)
		r = file_sync(dir, NULL, err);
	return r == 0 || r == ERR_NOT_FOUND ? absent(id, err) : r;
}

int store_remove(struct store *store, const struct store_id *id, struct err *err)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct slice content;
	int readable, r;

	r = check_call(store, id, slice_of(NULL, 0), err);
	if (r < 0)
		return r;
	readable = load(store, id, &record, &content, err);
	if (readable == ERR_NOT_FOUND)
		return gone(store, id, err);
	if (readable < 0 && readable != ERR_DAMAGED && readable != ERR_UNREADABLE)
		return readable;
	r = open_records(store, id, false, &dir, err);
	if (r < 0)
		return r;
	r = readable < 0 ? move_aside(store, id, dir, err) : file_remove(dir, id->name, err);
	return r == ERR_NOT_FOUND ? absent(id, err) : r;
}
