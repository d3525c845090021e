/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent objects of a tenant: not in the chip, whose place for such is small, but as recipes on
 * the tenant's shelf. The first use after a reset makes the object again. What a recipe gives must
 * have the Names that the object had: after a Clear it would be another key.
 *
 * Record: version, noDA (1 byte each), length of the names (2 bytes) and the names (TPM2B each),
 * TPM2B_PUBLIC, then the recipe.
 */
#include <string.h>

#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "broker/make.h"

#define VERSION	       2u
#define SESSION_NUMBER 0x700u /* which session, and which parameter, a code is about */
#define PARAMETER      0xf40u /* (Part 2, 6.6.3) */

struct record {
	bool no_da;
	struct slice names;
	struct slice area;
	struct slice recipe;
};

static bool read_record(const struct secret *bytes, struct record *ret_record)
{
	struct cursor cursor = cursor_of(secret_slice(bytes));
	uint8_t version = cursor_u8(&cursor);

	ret_record->no_da = cursor_u8(&cursor) != 0;
	ret_record->names = cursor_take(&cursor, cursor_u16(&cursor));
	ret_record->area = cursor_take(&cursor, cursor_u16(&cursor));
	ret_record->recipe = cursor.rest;
	return !cursor.failed && version == VERSION;
}

/* The shelf is where a chip has its NV. */
static uint32_t shelf_failed(struct run *run, const struct err *err)
{
	*run->fault = *err;
	if (err->code == ERR_DISK_FULL || err->code == ERR_QUOTA)
		return TPM2_RC_NV_SPACE;
	return TPM2_RC_NV_UNAVAILABLE;
}

/* --- the table ----------------------------------------------------------------------------- */

static struct kept *find(struct vchip *vchip, uint32_t handle)
{
	size_t i;

	for (i = 0; i < vchip->kept_count; i++)
		if (vchip->kept[i].handle == handle)
			return &vchip->kept[i];
	return NULL;
}

/* What is in the chip stays there, if it is on the shelf still. */
static void take_list(struct vchip *vchip, const uint32_t *handles, size_t count)
{
	struct kept next[BROKER_PERSISTENT_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		struct kept *known = find(vchip, handles[i]);

		next[i] = (struct kept){.handle = handles[i]};
		if (known) {
			next[i] = *known;
			*known = (struct kept){.handle = 0};
		}
	}
	for (i = 0; i < vchip->kept_count; i++)
		kept_unload(vchip->broker, &vchip->kept[i]);
	for (i = 0; i < count; i++)
		vchip->kept[i] = next[i];
	vchip->kept_count = count;
	vchip->kept_known = true;
}

static uint32_t look_at_shelf(struct run *run)
{
	struct vchip *vchip = run->vchip;
	uint32_t handles[BROKER_PERSISTENT_MAX];
	size_t count = 0;
	struct err err;

	if (vchip->kept_known || !vchip->has_shelf)
		return 0;
	if (vchip->shelf.list(vchip->shelf.arg, handles, &count, &err) < 0)
		return shelf_failed(run, &err);
	take_list(vchip, handles, count < BROKER_PERSISTENT_MAX ? count : BROKER_PERSISTENT_MAX);
	return 0;
}

uint32_t kept_at(struct run *run, uint32_t handle, struct kept **ret_kept)
{
	uint32_t rc = look_at_shelf(run);

	if (!rc)
		*ret_kept = find(run->vchip, handle);
	return rc;
}

void kept_unload(struct broker *broker, struct kept *kept)
{
	secret_free(TAKE(kept->record));
	if (!kept->guest)
		return;
	provider_guest_free(broker->p, TAKE(kept->guest));
	broker->guests--;
}

/* --- their records ------------------------------------------------------------------------- */

/* The record borrows from *ret_bytes. */
static uint32_t take_record(struct run *run, const struct kept *kept, struct secret **ret_bytes,
			    struct record *ret_record)
{
	struct broker_shelf *shelf = &run->vchip->shelf;
	struct secret *bytes = NULL;
	struct err err;
	int r;

	if (kept->record)
		r = secret_copy(secret_slice(kept->record), &bytes, &err);
	else
		r = shelf->get(shelf->arg, kept->handle, &bytes, &err);
	if (r < 0) {
		run->vchip->kept_known = err.code != ERR_NOT_FOUND;
		return shelf_failed(run, &err);
	}
	if (!read_record(bytes, ret_record)) {
		secret_free(bytes);
		(void)err_set(&err, ERR_DAMAGED, "a persistent object's recipe makes no sense");
		return shelf_failed(run, &err);
	}
	*ret_bytes = bytes;
	return 0;
}

struct slice kept_recipe(const struct kept *kept)
{
	struct record record;

	if (!kept->record || !read_record(kept->record, &record))
		return slice_of(NULL, 0);
	return record.recipe;
}

uint32_t kept_name(struct run *run, struct kept *kept, uint8_t ret_name[NAME_MAX_SIZE],
		   size_t *ret_len)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	struct record record;
	struct cursor cursor;
	struct slice name;
	uint32_t rc = take_record(run, kept, &bytes, &record);

	if (rc)
		return rc;
	cursor = cursor_of(record.names);
	name = cursor_take(&cursor, cursor_u16(&cursor));
	if (name.len > NAME_MAX_SIZE)
		return TPM2_RC_NV_UNAVAILABLE;
	memcpy(ret_name, name.data, name.len);
	*ret_len = name.len;
	return 0;
}

/* --- making them again --------------------------------------------------------------------- */

static bool is_refused(const struct run *run, const struct kept *kept)
{
	return kept->refused && kept->refused_at == provider_guest_epoch(run->broker->p);
}

bool kept_is_foreign(const struct run *run, const struct kept *kept)
{
	return is_refused(run, kept) && kept->foreign;
}

static void mark(const struct run *run, struct kept *kept, bool foreign)
{
	kept->refused = true;
	kept->foreign = foreign;
	kept->refused_at = provider_guest_epoch(run->broker->p);
}

/* Some refusals are certain to come again: a parent that is another one, a password that is wrong
 * and would count as a guess each time. */
static void note_refusal(const struct run *run, struct kept *kept, uint32_t rc)
{
	bool foreign = rc == TPM2_RC_HANDLE || (rc & ~PARAMETER) == TPM2_RC_INTEGRITY;

	if (foreign || (rc & ~SESSION_NUMBER) == TPM2_RC_AUTH_FAIL + TPM2_RC_S)
		mark(run, kept, foreign);
}

/* Is it what it was? */
static uint32_t check_names(struct run *run, struct kept *kept, struct provider_guest *guest,
			    const struct record *record)
{
	struct ask_public public;
	struct err err;

	if (ask_read_public(run->broker, guest, 0, &public, &err) < 0)
		return run_fault(run, &err);
	if (!public.rc && slice_equal(slice_of(public.names, public.names_len), record->names))
		return 0;
	mark(run, kept, true);
	(void)err_set(&err, ERR_WRONG_TPM, "a persistent object of a tenant was of another chip");
	*run->fault = err;
	return TPM2_RC_HANDLE;
}

static uint32_t make_kept(struct run *run, struct kept *kept)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	struct provider_guest *guest = NULL;
	struct record record;
	struct err err;
	uint32_t rc = is_refused(run, kept) ? TPM2_RC_HANDLE : room_for_kept(run), refused = 0;

	if (!rc)
		rc = take_record(run, kept, &bytes, &record);
	if (rc)
		return rc;
	if (make_again(run, record.recipe, &guest, &refused, &err) < 0)
		return run_fault(run, &err);
	if (make_may_work_later(refused))
		return refused;
	if (refused) {
		note_refusal(run, kept, refused);
		(void)err_set(&err, ERR_WRONG_TPM,
			      "a persistent object of a tenant cannot be made again (0x%x)",
			      refused);
		*run->fault = err;
		return TPM2_RC_HANDLE;
	}
	rc = check_names(run, kept, guest, &record);
	if (rc) {
		provider_guest_free(run->broker->p, guest);
		return rc;
	}
	kept->guest = guest;
	kept->record = TAKE(bytes);
	kept->no_da = record.no_da;
	run->broker->guests++;
	return 0;
}

uint32_t kept_ensure(struct run *run)
{
	size_t i;

	for (i = 0; i < run->view->handle_count; i++) {
		struct kept *kept = run->kept[i];
		uint32_t rc;

		if (!kept)
			continue;
		if (kept->guest && provider_guest_lost(run->broker->p, kept->guest))
			kept_unload(run->broker, kept);
		rc = kept->guest ? 0 : make_kept(run, kept);
		if (rc)
			return rc == TPM2_RC_HANDLE ? code_at_handle(rc, i) : rc;
	}
	return 0;
}

static bool put_public(struct run *run, const struct record *record)
{
	buf_put_u16(run->answer, TPM2_ST_NO_SESSIONS);
	buf_put_u32(run->answer,
		    (uint32_t)(WIRE_HEADER + 2 + record->area.len + record->names.len));
	buf_put_u32(run->answer, TPM2_RC_SUCCESS);
	buf_put_u16(run->answer, (uint16_t)record->area.len);
	buf_put(run->answer, record->area);
	buf_put(run->answer, record->names);
	return buf_ok(run->answer);
}

uint32_t kept_read_public(struct run *run, bool *ret_done)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	struct record record;
	uint32_t rc;

	if (run->view->command->code != TPM2_CC_ReadPublic || !run->kept[0] ||
	    run->view->auth_count > 0)
		return 0;
	rc = kept_ensure(run);
	*ret_done = rc != 0;
	if (!rc || !is_refused(run, run->kept[0]))
		return rc;
	rc = take_record(run, run->kept[0], &bytes, &record);
	if (rc)
		return rc;
	return put_public(run, &record) ? 0 : TPM2_RC_MEMORY;
}

/* --- coming and going ---------------------------------------------------------------------- */

static void put_record(struct buf *record, const struct held *held, const struct ask_public *public)
{
	buf_put_u8(record, VERSION);
	buf_put_u8(record, held->no_da);
	buf_put_u16(record, (uint16_t) public->names_len);
	buf_put(record, slice_of(public->names, public->names_len));
	buf_put_u16(record, (uint16_t) public->area_len);
	buf_put(record, slice_of(public->area, public->area_len));
	buf_put(record, secret_slice(held->recipe));
}

uint32_t kept_put(struct run *run, uint32_t handle, const struct held *held,
		  const struct ask_public *public, struct provider_guest *guest)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(BROKER_RECIPE_MAX);
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	struct vchip *vchip = run->vchip;
	struct err err;

	if (!vchip->has_shelf || vchip->kept_count == BROKER_PERSISTENT_MAX)
		return TPM2_RC_NV_SPACE;
	put_record(&record, held, public);
	if (!buf_ok(&record))
		return TPM2_RC_NV_SPACE;
	if (secret_copy(buf_slice(&record), &bytes, &err) < 0)
		return TPM2_RC_MEMORY;
	if (vchip->shelf.put(vchip->shelf.arg, handle, bytes, &err) < 0) {
		vchip->kept_known = false; /* it may be there for all that */
		return shelf_failed(run, &err);
	}
	vchip->kept[vchip->kept_count++] = (struct kept){
		.handle = handle,
		.guest = guest,
		.record = TAKE(bytes),
		.no_da = held->no_da,
		.used = run->broker->uses,
	};
	run->broker->guests++;
	return 0;
}

uint32_t kept_take_away(struct run *run, struct kept *kept)
{
	struct vchip *vchip = run->vchip;
	struct err err;

	if (vchip->shelf.remove(vchip->shelf.arg, kept->handle, &err) < 0 &&
	    err.code != ERR_NOT_FOUND) {
		vchip->kept_known = false; /* it may be gone for all that */
		return shelf_failed(run, &err);
	}
	kept_unload(run->broker, kept);
	*kept = vchip->kept[--vchip->kept_count];
	return 0;
}
