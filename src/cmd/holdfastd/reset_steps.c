/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/reset_steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/json.h"
#include "identity/identity.h"

#define JOURNAL "identity.journal" /* its name in the state folder */
static const char JOURNAL_COPY[] = JOURNAL ".copy";

/* --- the plan --- */

static int hsk_of_record(struct slice record, struct identity_journal *journal, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *text = "";
	size_t len;
	int r = json_parse(record, &json, err);

	if (r == 0)
		r = json_get_string(json, "hsk_name", true, &text, err);
	if (r < 0)
		return r;
	len = strlen(text) / 2;
	if (len == 0 || len > sizeof(journal->hsk_name) ||
	    !hex_decode(slice_str(text), journal->hsk_name, len))
		return err_set(err, ERR_DAMAGED, "/hsk_name: no Name");
	journal->hsk_name_len = len;
	return 0;
}

/* Without its Name nothing is evicted: something else may lie there. */
static void plan_hsk(const struct reset_plan *plan, struct identity_journal *journal)
{
	struct err ignored;

	journal->hsk_handle = plan->hsk_handle;
	journal->hsk_name_len = 0;
	if (plan->record_lost ||
	    (plan->record.len > 0 && hsk_of_record(plan->record, journal, &ignored) < 0))
		journal->partial = true;
}

static void plan_key(const struct identity_view *view, struct identity_journal *journal)
{
	bool being_made = journal->doing == IDENTITY_DOING_INIT ||
			  journal->doing == IDENTITY_DOING_MIGRATE ||
			  journal->doing == IDENTITY_DOING_CONFIRM;

	if (being_made && journal->name_len > 0)
		return;
	journal->name_len = 0;
	journal->handle = 0;
	if (!view || !view->on_chip)
		return;
	journal->handle = view->handle;
	journal->name_len = view->name_len;
	memcpy(journal->name, view->name, view->name_len);
}

/* --- the chip --- */

static void add_key(struct tpm_erase *erase, uint32_t handle, const uint8_t *name, size_t len)
{
	if (handle != 0 && len > 0)
		erase->keys[erase->count++] =
			(struct provider_resident){.handle = handle, .name = slice_of(name, len)};
}

bool reset_erase(const struct identity_journal *journal, struct tpm_erase *ret_erase)
{
	*ret_erase = (struct tpm_erase){.clear = journal->clear_tpm};
	add_key(ret_erase, journal->hsk_handle, journal->hsk_name, journal->hsk_name_len);
	add_key(ret_erase, journal->handle, journal->name, journal->name_len);
	return ret_erase->clear || ret_erase->count > 0;
}

void reset_erased(struct identity_journal *journal, const struct tpm_erased *erased)
{
	journal->step |= RESET_CHIP;
	if (erased->cleared)
		journal->partial = false;
	else if (erased->left > 0 || journal->clear_tpm)
		journal->partial = true;
}

void reset_give_up_chip(struct identity_journal *journal)
{
	struct tpm_erase erase;

	if (journal->step & RESET_CHIP)
		return;
	journal->step |= RESET_CHIP;
	if (reset_erase(journal, &erase))
		journal->partial = true;
}

/* --- the whole plan --- */

int reset_plan(const struct reset_plan *plan, const struct identity_view *view,
	       struct identity_journal *journal, struct err *err)
{
	time_t now = (time_t)plan->now;
	struct tm tm;

	if (!gmtime_r(&now, &tm) ||
	    strftime(journal->asked, sizeof(journal->asked), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return err_set(err, ERR_INTERNAL, "the clock tells no time");
	journal->partial = false;
	plan_key(view, journal);
	plan_hsk(plan, journal);
	journal->doing = IDENTITY_DOING_RESET;
	journal->clear_tpm = plan->clear_tpm;
	journal->step = 0;
	if (plan->without_tpm)
		reset_give_up_chip(journal);
	buf_reset(&journal->object);
	buf_reset(&journal->header);
	buf_reset(&journal->chain);
	buf_reset(&journal->cross);
	return 0;
}

/* --- the disk --- */

static int erase_records(const struct reset_place *place, struct err *err)
{
	static const char *const NAMES[] = {"tenants", "removed", "quarantine", "spool", NULL};

	return store_erase(place->store, NAMES, err);
}

static int erase_fapi(const struct reset_place *place, struct err *err)
{
	static const char *const NAMES[] = {"fapi", NULL};

	return store_erase(place->store, NAMES, err);
}

static int erase_keys(const struct reset_place *place, struct err *err)
{
	static const char *const NAMES[] = {"auth.key", "auth.key.copy", "host.key",
					    "host.key.copy", NULL};

	return store_erase(place->store, NAMES, err);
}

/* The first part of @path below @state, "" where it lies elsewhere. */
static void part_below(const char *state, const char *path, char ret_part[static STORE_NAME_MAX])
{
	size_t len = strlen(state);

	ret_part[0] = '\0';
	while (len > 0 && state[len - 1] == '/')
		len--;
	if (strncmp(path, state, len) != 0 || path[len] != '/')
		return;
	path += len + strspn(path + len, "/");
	(void)snprintf(ret_part, STORE_NAME_MAX, "%.*s", (int)strcspn(path, "/"), path);
}

/* The identity's folders may lie below the state folder: its files are another step's, and what is
 * kept there by others is not ours. */
static int erase_rest(const struct reset_place *place, struct err *err)
{
	char config[STORE_NAME_MAX], persist[STORE_NAME_MAX];
	const char *const KEPT[] = {JOURNAL, JOURNAL_COPY, config, persist, NULL};

	part_below(place->state, identity_files_config(place->files), config);
	part_below(place->state, identity_files_persist(place->files), persist);
	return store_erase_all(place->store, KEPT, err);
}

static int erase_files(const struct reset_place *place, struct err *err)
{
	return identity_files_erase(place->files, err);
}

int reset_disk(const struct reset_place *place, unsigned steps, struct identity_journal *journal,
	       struct err *err)
{
	static const struct {
		unsigned step;
		int (*run)(const struct reset_place *place, struct err *err);
	} STEPS[] = {
		{RESET_RECORDS, erase_records}, {RESET_FAPI, erase_fapi},
		{RESET_KEYS, erase_keys},	{RESET_REST, erase_rest},
		{RESET_FILES, erase_files},
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(STEPS); i++) {
		if (!(STEPS[i].step & steps & ~journal->step))
			continue;
		r = STEPS[i].run(place, err);
		if (r < 0)
			return r;
		journal->step |= STEPS[i].step;
		r = identity_journal_write(place->files, journal, err);
	}
	return r;
}

/* Where keys of ours may still lie, as far as is known. */
static void name_keys(const struct identity_journal *journal, struct buf *text)
{
	struct tpm_erase erase;
	size_t i;

	buf_put_str(text, "the TPM could not be erased in full");
	(void)reset_erase(journal, &erase);
	for (i = 0; i < erase.count; i++)
		buf_printf(text, "%s0x%08" PRIx32, i > 0 ? ", " : "; keys may be left in it at ",
			   erase.keys[i].handle);
}

void reset_left(const struct identity_journal *journal, const char *why, char *ret_text,
		size_t size)
{
	CLEANUP(buf_fini) struct buf keys = BUF_INIT(IDENTITY_REASON_MAX);
	const char *rest = "";

	name_keys(journal, &keys);
	buf_put_u8(&keys, '\0');
	if (journal->partial && why[0] == '\0' && buf_ok(&keys))
		rest = (const char *)keys.data;
	else if (journal->partial)
		rest = why;
	else if (journal->hsk_name_len > 0 && !journal->clear_tpm)
		rest = "copies that somebody kept of keys made for export load until the TPM is "
		       "cleared";
	(void)snprintf(ret_text, size, "%s%s", rest[0] != '\0' ? "reset: partial: " : "", rest);
}
