/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actions of the table (state.c), each of which may be repeated. They find in `found` what is
 * there, and leave there what they changed for the one that follows. Which of them are done, and in
 * which order, is not decided here.
 */
#include "identity/impl.h"

#include <stdio.h>
#include <string.h>

#include "crypto/x509.h"

static struct signer chip_signer(const struct doing *doing)
{
	return (struct signer){.provider = doing->world->provider, .key = &doing->found->key};
}

/* --- a key in the chip --- */

static int note(struct doing *doing, enum identity_doing what, struct err *err)
{
	struct identity_journal *journal = &doing->found->journal;
	const struct identity_key *key = &doing->found->key;

	journal->doing = what;
	journal->handle = key->handle;
	memcpy(journal->name, key->name, key->name_len);
	journal->name_len = key->name_len;
	if (identity_copy(&journal->object, buf_slice(&doing->object), err) < 0 ||
	    identity_copy(&journal->header, buf_slice(&key->header), err) < 0 ||
	    identity_copy(&journal->chain, buf_slice(&doing->chain), err) < 0 ||
	    identity_copy(&journal->cross, buf_slice(&doing->cross), err) < 0)
		return err->code;
	return identity_journal_write(doing->identity->files, journal, err);
}

/* The key exists nowhere but in the object, until the journal has that. */
static int create(struct doing *doing, enum identity_doing what, struct err *err)
{
	static const struct key_spec spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN};
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	struct provider *p = doing->world->provider;
	struct identity_key *key = &doing->found->key;
	int r;

	buf_reset(&key->header);
	buf_reset(&doing->chain);
	buf_reset(&doing->cross);
	r = identity_key_header(p, &key->header, err);
	if (r == 0)
		r = provider_key_create(p, buf_slice(&key->header), &spec, &made, err);
	if (r == 0)
		r = identity_key_name(key, buf_slice(&made.name), err);
	if (r == 0)
		r = identity_copy(&key->spki, buf_slice(&made.spki), err);
	if (r == 0)
		r = identity_copy(&doing->object, buf_slice(&made.object), err);
	if (r < 0)
		return r;
	key->handle = doing->identity->handle;
	return note(doing, what, err);
}

static int act_create(struct doing *doing, struct err *err)
{
	return create(doing, IDENTITY_DOING_INIT, err);
}

static int act_create_beside(struct doing *doing, struct err *err)
{
	return create(doing, IDENTITY_DOING_MIGRATE, err);
}

static int act_persist(struct doing *doing, struct err *err)
{
	struct identity_key *key = &doing->found->key;
	uint32_t handle = 0;
	int r = provider_persist(doing->world->provider, buf_slice(&key->header),
				 buf_slice(&doing->object), key->handle, &handle, err);

	if (r < 0)
		return r;
	provider_forget(doing->world->provider, buf_slice(&doing->object));
	if (handle == key->handle)
		return 0;
	key->handle = handle;
	return note(doing, doing->found->journal.doing, err);
}

static int act_prove(struct doing *doing, struct err *err)
{
	return identity_key_prove(doing->world->provider, &doing->found->key, err);
}

/* Was it looked for by the journal already? Where the record has a key, that was looked for. */
static int find_noted(struct doing *doing, struct provider_resident *ret_key, struct err *err)
{
	const struct identity_journal *journal = &doing->found->journal;
	const struct identity_facts *f = &doing->found->facts;

	ret_key->name = slice_of(journal->name, journal->name_len);
	if (f->record == RECORD_KEY || f->key == KEY_UNKNOWN)
		return identity_key_find(doing->world->provider, journal->handle, ret_key->name,
					 &ret_key->handle, NULL, err);
	ret_key->handle = doing->found->key.handle;
	return f->key == KEY_GONE ? err_set(err, ERR_NOT_FOUND, "the key is not there") : 0;
}

static int act_evict(struct doing *doing, struct err *err)
{
	struct provider_resident key = {0};
	int r = find_noted(doing, &key, err);

	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	/* The journal may be somebody's: what goes is what our password opens, and nothing else. */
	r = identity_key_evict(doing->world->provider, key.handle, err);
	if (r != ERR_NOT_FOUND)
		return r;
	doing->stays = key.handle;
	return 0;
}

static int act_end_journal(struct doing *doing, struct err *err)
{
	return identity_journal_remove(doing->identity->files, err);
}

/* --- certificates --- */

static int act_certify(struct doing *doing, struct err *err)
{
	const struct signer signer = chip_signer(doing);
	const struct certificate_order order = {.spki = buf_slice(&doing->found->key.spki),
						.now = doing->world->now};

	buf_reset(&doing->chain);
	return identity_certify(doing->identity, &signer, &order, &doing->chain, err);
}

/*
 * Whoever knows the old key can verify by it whose the new one is. No path of TLS: the old
 * certificate is no CA's.
 */
static int act_certify_by_soft(struct doing *doing, struct err *err)
{
	const struct signer signer = {.soft = doing->found->soft};
	const struct certificate_order order = {.spki = buf_slice(&doing->found->key.spki),
						.issuer = buf_slice(&doing->found->chain),
						.now = doing->world->now};

	buf_reset(&doing->cross);
	return identity_certify(doing->identity, &signer, &order, &doing->cross, err);
}

/* Under one name, however often; a journal of a first key has none. */
static int act_keep_cross(struct doing *doing, struct err *err)
{
	struct slice cross = buf_slice(&doing->found->journal.cross);

	if (cross.len == 0)
		return 0;
	return identity_certificate_keep_cross(doing->identity->files, cross, err);
}

static int act_soft_certificate(struct doing *doing, struct err *err)
{
	const struct signer signer = {.soft = doing->found->soft};
	const struct certificate_order order = {.spki = buf_slice(&doing->found->soft_spki),
						.now = doing->world->now};
	int r;

	buf_reset(&doing->chain);
	r = identity_certify(doing->identity, &signer, &order, &doing->chain, err);
	if (r == 0)
		r = identity_certificate_write(doing->identity->files, buf_slice(&doing->chain),
					       err);
	return r;
}

static int act_write_certificate(struct doing *doing, struct err *err)
{
	return identity_certificate_write(doing->identity->files,
					  buf_slice(&doing->found->record.chain), err);
}

static int act_retire_certificate(struct doing *doing, struct err *err)
{
	return identity_certificate_retire(doing->identity->files, err);
}

static int act_keep_certificate(struct doing *doing, struct err *err)
{
	if (doing->found->facts.certificate == CERTIFICATE_KEYS)
		return 0;
	return identity_certificate_keep(doing->identity->files, err);
}

/* The file may be unreadable or gone: what goes out of force is what the record has. */
static int act_keep_recorded(struct doing *doing, struct err *err)
{
	return identity_certificate_keep_chain(doing->identity->files,
					       buf_slice(&doing->found->record.chain), err);
}

/* What was brought, if each signs the one before it. */
static int brought(struct doing *doing, struct buf *ret_spki, struct err *err)
{
	int r;

	buf_reset(&doing->chain);
	r = x509_chain_of_pem(doing->order->pem, &doing->chain, err);
	if (r == 0)
		r = identity_chain_check(buf_slice(&doing->chain), doing->world->now, err);
	if (r == 0)
		r = identity_chain_spki(buf_slice(&doing->chain), ret_spki, err);
	return r;
}

static int not_ours(struct err *err)
{
	err_set(err, ERR_INVALID, "the first certificate is not of this device's key");
	return err_add_remedy(err,
			      "Ask for it with a request of this device: holdfast device csr.");
}

static int act_take_chain(struct doing *doing, struct err *err)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	int r = brought(doing, &spki, err);

	if (r < 0)
		return r;
	return slice_equal(buf_slice(&spki), buf_slice(&doing->found->key.spki)) ? 0
										 : not_ours(err);
}

/* Of the software key, or of the one that waits beside it. */
static int act_take_soft_chain(struct doing *doing, struct err *err)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	const struct found *found = doing->found;
	struct identity_journal *journal = &doing->found->journal;
	int r = brought(doing, &spki, err);

	if (r < 0)
		return r;
	if (slice_equal(buf_slice(&spki), buf_slice(&found->soft_spki))) {
		r = act_keep_certificate(doing, err);
		return r < 0 ? r
			     : identity_certificate_write(doing->identity->files,
							  buf_slice(&doing->chain), err);
	}
	if (found->facts.journal != JOURNAL_CONFIRM || found->facts.key != KEY_OURS ||
	    !slice_equal(buf_slice(&spki), buf_slice(&found->key.spki)))
		return not_ours(err);
	r = identity_copy(&journal->chain, buf_slice(&doing->chain), err);
	return r < 0 ? r : identity_journal_write(doing->identity->files, journal, err);
}

/* While a migration waits, for the key that waits: the other one is going away. */
static int act_request(struct doing *doing, struct err *err)
{
	const struct found *found = doing->found;
	struct signer signer = {.soft = found->soft};
	struct slice spki = buf_slice(&found->soft_spki), chain = buf_slice(&found->chain);

	if (found->facts.key == KEY_OURS) {
		signer = chip_signer(doing);
		spki = buf_slice(&found->key.spki);
		chain = buf_slice(found->facts.record == RECORD_KEY ? &found->record.chain
								    : &found->journal.chain);
	}
	return identity_request(&signer, doing->order, spki, chain, doing->ret_pem, err);
}

/* --- the record --- */

/* Written and read back: the moment that counts. */
static int commit(struct doing *doing, const struct identity_record *record, struct err *err)
{
	CLEANUP(identity_record_cleanup) struct identity_record again = IDENTITY_RECORD_INIT;
	enum identity_found how;
	int r = 0;

	/* Over what is torn nothing is written: it goes to the quarantine. */
	if (doing->found->facts.record == RECORD_TORN)
		r = identity_record_remove(doing->identity->files, err);
	if (r == 0)
		r = identity_record_write(doing->identity->files, record, err);
	if (r < 0)
		return r;
	how = identity_record_read(doing->identity->files, &again, err);
	if (how == IDENTITY_FOUND_UNREADABLE)
		return err->code;
	if (how != IDENTITY_FOUND_WHOLE || again.generation != record->generation ||
	    again.present != record->present || again.enabled != record->enabled ||
	    !slice_equal(slice_of(again.name, again.name_len),
			 slice_of(record->name, record->name_len)) ||
	    !slice_equal(buf_slice(&again.chain), buf_slice(&record->chain)))
		return err_set(err, ERR_DAMAGED, "the record does not read back as it was written");
	return 0;
}

/* A new generation, or the one that the key has already. */
static void stamp(struct doing *doing, bool anew)
{
	struct identity_record *record = &doing->found->record;

	if ((anew || record->generation == 0) && record->generation < IDENTITY_GENERATION_MAX)
		record->generation++;
	if (anew || record->since[0] == '\0')
		identity_time(doing->world->now, record->since);
}

/* Of the key in the chip, with @chain. */
static int commit_key(struct doing *doing, struct slice chain, struct err *err)
{
	struct identity_record *record = &doing->found->record;
	const struct identity_key *key = &doing->found->key;
	bool same = record->present && slice_equal(slice_of(record->name, record->name_len),
						   slice_of(key->name, key->name_len));

	stamp(doing, !same);
	record->enabled = record->present = true;
	record->handle = key->handle;
	memcpy(record->name, key->name, key->name_len);
	record->name_len = key->name_len;
	if (identity_copy(&record->header, buf_slice(&key->header), err) < 0 ||
	    identity_copy(&record->spki, buf_slice(&key->spki), err) < 0 ||
	    identity_copy(&record->chain, chain, err) < 0)
		return err->code;
	return commit(doing, record, err);
}

static int act_commit(struct doing *doing, struct err *err)
{
	return commit_key(doing, buf_slice(&doing->chain), err);
}

static int act_adopt(struct doing *doing, struct err *err)
{
	return commit_key(doing, buf_slice(&doing->found->journal.chain), err);
}

static int act_rebuild(struct doing *doing, struct err *err)
{
	return commit_key(doing, buf_slice(&doing->found->chain), err);
}

static int act_mend(struct doing *doing, struct err *err)
{
	return commit(doing, &doing->found->record, err);
}

/* No key; whether this device ever had one in a TPM stays as it was. */
static int commit_blank(struct doing *doing, struct err *err)
{
	struct identity_record *record = &doing->found->record;

	record->present = false;
	record->handle = 0;
	record->name_len = 0;
	buf_reset(&record->header);
	buf_reset(&record->spki);
	buf_reset(&record->chain);
	return commit(doing, record, err);
}

static int act_blank(struct doing *doing, struct err *err)
{
	/* A certificate whose key is in no file was of one in a TPM, whatever is known besides. */
	if (doing->found->facts.record != RECORD_BLANK)
		doing->found->record.enabled = true;
	stamp(doing, false);
	return commit_blank(doing, err);
}

static int act_record_soft(struct doing *doing, struct err *err)
{
	stamp(doing, doing->soft_is_new);
	return commit_blank(doing, err);
}

/* --- software --- */

static int act_make_soft(struct doing *doing, struct err *err)
{
	struct found *found = doing->found;
	struct pkey *key = NULL;
	int r = pkey_generate(PKEY_ECC_P256, &key, err);

	if (r < 0)
		return r;
	pkey_free(found->soft);
	found->soft = key;
	buf_reset(&found->soft_spki);
	doing->soft_is_new = true;
	r = pkey_to_spki(key, &found->soft_spki, err);
	return r < 0 ? r : identity_soft_write(doing->identity->files, key, err);
}

static int act_erase_soft(struct doing *doing, struct err *err)
{
	return identity_soft_erase(doing->identity->files, err);
}

static int act_quarantine(struct doing *doing, struct err *err)
{
	return identity_soft_quarantine(doing->identity->files,
					doing->found->facts.certificate == CERTIFICATE_SOFT, err);
}

static int act_pend(struct doing *doing, struct err *err)
{
	return note(doing, IDENTITY_DOING_CONFIRM, err);
}

/* --- the marker --- */

/* Something that had left a marker is taken up again as it was left. */
static bool had_marker(const struct doing *doing)
{
	const struct identity_facts *f = &doing->found->facts;

	return !doing->marked && f->record == RECORD_KEY && f->journal == JOURNAL_NONE &&
	       f->soft == SOFT_NONE;
}

static int act_mark(struct doing *doing, struct err *err)
{
	const struct identity_record *record = &doing->found->record;
	struct identity_marker marker = {
		.mode = doing->row->to == IDENTITY_ENABLED ? "enabled" : "degraded",
		.key_name = slice_of(record->name, record->name_len),
		.boot_id = doing->world->boot_id ? doing->world->boot_id : "",
	};
	struct identity_marker other = marker;
	char time[IDENTITY_TIME_MAX];

	identity_time(doing->world->now, time);
	marker.time = other.time = time;
	other.mode = doing->row->to == IDENTITY_ENABLED ? "degraded" : "enabled";
	if (had_marker(doing) && !identity_marker_is(doing->identity->files, &marker) &&
	    !identity_marker_is(doing->identity->files, &other))
		doing->marker_lost = true;
	doing->marked = true;
	return identity_marker_write(doing->identity->files, &marker, err);
}

/* What cannot be read may be what cannot be written: that is told already. */
static int act_mark_unsure(struct doing *doing, struct err *err)
{
	const struct identity_record *record = &doing->found->record;
	char time[IDENTITY_TIME_MAX];
	const struct identity_marker marker = {
		.mode = "degraded",
		.key_name = slice_of(record->name, record->name_len),
		.boot_id = doing->world->boot_id ? doing->world->boot_id : "",
		.time = time,
	};

	(void)err;
	identity_time(doing->world->now, time);
	identity_marker_renew(doing->identity->files, &marker);
	doing->marked = true;
	return 0;
}

static int act_unmark(struct doing *doing, struct err *err)
{
	return identity_marker_remove(doing->identity->files, err);
}

static int (*const ACTIONS[IDENTITY_ACTIONS])(struct doing *doing, struct err *err) = {
	[ACT_CREATE] = act_create,
	[ACT_CREATE_BESIDE] = act_create_beside,
	[ACT_PERSIST] = act_persist,
	[ACT_PROVE] = act_prove,
	[ACT_CERTIFY] = act_certify,
	[ACT_CERTIFY_BY_SOFT] = act_certify_by_soft,
	[ACT_KEEP_CROSS] = act_keep_cross,
	[ACT_COMMIT] = act_commit,
	[ACT_ADOPT] = act_adopt,
	[ACT_MEND] = act_mend,
	[ACT_REBUILD] = act_rebuild,
	[ACT_BLANK] = act_blank,
	[ACT_WRITE_CERTIFICATE] = act_write_certificate,
	[ACT_RETIRE_CERTIFICATE] = act_retire_certificate,
	[ACT_KEEP_CERTIFICATE] = act_keep_certificate,
	[ACT_KEEP_RECORDED] = act_keep_recorded,
	[ACT_MAKE_SOFT] = act_make_soft,
	[ACT_SOFT_CERTIFICATE] = act_soft_certificate,
	[ACT_RECORD_SOFT] = act_record_soft,
	[ACT_ERASE_SOFT] = act_erase_soft,
	[ACT_QUARANTINE] = act_quarantine,
	[ACT_TAKE_CHAIN] = act_take_chain,
	[ACT_TAKE_SOFT_CHAIN] = act_take_soft_chain,
	[ACT_REQUEST] = act_request,
	[ACT_PEND] = act_pend,
	[ACT_EVICT] = act_evict,
	[ACT_MARK] = act_mark,
	[ACT_MARK_UNSURE] = act_mark_unsure,
	[ACT_UNMARK] = act_unmark,
	[ACT_END_JOURNAL] = act_end_journal,
};

int identity_act(struct doing *doing, enum identity_action action, struct err *err)
{
	int r = ACTIONS[action](doing, err);

	return r < 0 ? err_wrap(err, "%s", identity_action_text(action)) : 0;
}
