/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is, before anything is decided. Every file and the chip are looked at; what could not
 * be read is a fact like others, and why goes into the trouble that people are told of.
 */
#include "identity/impl.h"

#include <stdio.h>
#include <string.h>

void found_init(struct found *found)
{
	*found = (struct found){
		.record = IDENTITY_RECORD_INIT,
		.journal = IDENTITY_JOURNAL_INIT,
		.key = IDENTITY_KEY_INIT,
		.chain = BUF_INIT(IDENTITY_CHAIN_MAX),
		.soft_spki = BUF_INIT(1024),
	};
	identity_records_init(&found->records);
}

void found_fini(struct found *found)
{
	identity_records_fini(&found->records);
	identity_record_fini(&found->record);
	identity_journal_fini(&found->journal);
	identity_key_fini(&found->key);
	buf_fini(&found->chain);
	buf_fini(&found->soft_spki);
	pkey_free(TAKE(found->soft));
}

static void trouble(struct found *found, const char *what, const struct err *err)
{
	if (found->trouble[0] == '\0')
		(void)snprintf(found->trouble, sizeof(found->trouble), "%s: %s", what, err->text);
}

/* --- files --- */

static void read_record(struct identity *identity, struct found *found)
{
	struct identity_facts *f = &found->facts;
	struct err err = {0};

	switch (identity_records_read(identity->files, &found->records, &err)) {
	case IDENTITY_FOUND_NONE:
		f->record = RECORD_NONE;
		return;
	case IDENTITY_FOUND_TORN:
		f->record = RECORD_TORN;
		return;
	case IDENTITY_FOUND_UNREADABLE:
		f->record = RECORD_UNREADABLE;
		trouble(found, "the record", &err);
		return;
	case IDENTITY_FOUND_MENDED:
		f->mended = true;
		break;
	case IDENTITY_FOUND_WHOLE:
		break;
	}
	f->record = found->records.of[0].present ? RECORD_KEY : RECORD_BLANK;
	f->was = found->records.of[0].enabled;
	f->foreign = found->records.differ;
}

static void read_journal(struct identity *identity, struct found *found)
{
	static const enum state_journal doings[] = {
		[IDENTITY_DOING_NOTHING] = JOURNAL_NONE,
		[IDENTITY_DOING_INIT] = JOURNAL_INIT,
		[IDENTITY_DOING_MIGRATE] = JOURNAL_MIGRATE,
		[IDENTITY_DOING_CONFIRM] = JOURNAL_CONFIRM,
		[IDENTITY_DOING_RESET] = JOURNAL_RESET,
	};
	const struct identity_journal *journal = &found->journal;
	struct err err = {0};

	if (identity_journal_read(identity->files, &found->journal, &err) < 0) {
		found->facts.journal = JOURNAL_UNREADABLE;
		trouble(found, "the journal", &err);
		return;
	}
	found->facts.journal = doings[journal->doing];
	found->facts.committed = found->facts.record == RECORD_KEY &&
				 slice_equal(slice_of(journal->name, journal->name_len),
					     slice_of(found->record.name, found->record.name_len));
}

static int read_soft(struct identity *identity, struct found *found, struct err *err)
{
	struct err why = {0};

	switch (identity_soft_read(identity->files, &found->soft, &why)) {
	case 0:
		found->facts.soft = SOFT_THERE;
		return pkey_to_spki(found->soft, &found->soft_spki, err);
	case ERR_NOT_FOUND:
		found->facts.soft = SOFT_NONE;
		return 0;
	default:
		found->facts.soft = SOFT_UNREADABLE;
		trouble(found, "the software key", &why);
		return 0;
	}
}

/* Whose it is comes later: classify_chain(). */
static void read_chain(struct identity *identity, struct found *found)
{
	struct err err = {0};

	switch (identity_certificate_read(identity->files, &found->chain, &err)) {
	case 0:
	case ERR_DAMAGED:
		found->facts.certificate = CERTIFICATE_OTHER;
		return;
	case ERR_NOT_FOUND:
		found->facts.certificate = CERTIFICATE_ABSENT;
		return;
	default:
		found->facts.certificate = CERTIFICATE_UNREADABLE;
		trouble(found, "the certificate", &err);
	}
}

/* --- the chip --- */

/* ERR_NOT_FOUND and ERR_TPM_CHANGED: it is certainly not there. */
static enum state_key key_of_error(struct found *found, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_TPM_CHANGED)
		return KEY_GONE;
	trouble(found, "the TPM", err);
	return KEY_UNKNOWN;
}

static void keep_other(struct found *found, struct slice name)
{
	if (name.len > sizeof(found->other) || found->other_len > 0)
		return;
	memcpy(found->other, name.data, name.len);
	found->other_len = name.len;
}

/* What the chip says of one copy of the record. */
enum chip_says {
	CHIP_AGREES,
	CHIP_SILENT,
	CHIP_HAS_IT_NOT,
	CHIP_DENIES, /* the key with that Name is another one */
};

static int hold_key(struct provider *p, struct found *found, const struct identity_record *record,
		    struct err *err)
{
	struct identity_key *key = &found->key;

	key->handle = record->handle;
	buf_reset(&key->header);
	if (identity_key_name(key, slice_of(record->name, record->name_len), err) < 0 ||
	    identity_key_header(p, &key->header, err) < 0 ||
	    identity_copy(&key->spki, buf_slice(&record->spki), err) < 0)
		return err->code;
	return 0;
}

/* Of a copy that agrees with itself the certificate is that of its public key. */
static int ask_chip(struct provider *p, struct found *found, const struct identity_record *record,
		    enum chip_says *ret_says, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
	struct err why = {0};

	if (provider_resident(p, record->handle, &there, &why) < 0) {
		*ret_says = key_of_error(found, &why) == KEY_GONE ? CHIP_HAS_IT_NOT : CHIP_SILENT;
		return 0;
	}
	if (!slice_equal(buf_slice(&there.name), slice_of(record->name, record->name_len))) {
		keep_other(found, buf_slice(&there.name));
		*ret_says = CHIP_HAS_IT_NOT;
		return 0;
	}
	if (!slice_equal(buf_slice(&there.spki), buf_slice(&record->spki))) {
		*ret_says = CHIP_DENIES;
		return 0;
	}
	*ret_says = CHIP_AGREES;
	return hold_key(p, found, record, err);
}

static void take_record(struct found *found, size_t number)
{
	identity_record_fini(&found->record);
	found->record = found->records.of[number];
	found->records.of[number] = (struct identity_record)IDENTITY_RECORD_INIT;
}

/* The header is the same for all our keys: another one is one more damage, and mended. */
static int take_ours(struct found *found, size_t number, struct err *err)
{
	struct slice header = buf_slice(&found->key.header);

	take_record(found, number);
	found->facts.key = KEY_OURS;
	found->other_len = 0;
	if (slice_equal(buf_slice(&found->record.header), header))
		return 0;
	found->facts.mended = true;
	return identity_copy(&found->record.header, header, err);
}

/* No copy has a key that the chip has. One that it denies is as good as torn. */
static void take_first(struct found *found, const enum chip_says *says)
{
	struct identity_facts *f = &found->facts;
	size_t i = 0;

	while (i < found->records.count && says[i] == CHIP_DENIES)
		i++;
	if (i == found->records.count || !found->records.of[i].present) {
		f->record = RECORD_TORN;
		f->mended = f->foreign = false;
		return;
	}
	take_record(found, i);
	f->key = KEY_GONE;
	for (; i < found->records.count; i++)
		if (says[i] == CHIP_SILENT)
			f->key = KEY_UNKNOWN;
}

/* Which of the copies counts is the chip's to say, where it can; otherwise it is the first. */
static int choose_record(struct provider *p, struct found *found, struct err *err)
{
	enum chip_says says[IDENTITY_RECORDS_MAX] = {CHIP_AGREES};
	struct identity_facts *f = &found->facts;
	int r = 0;

	if (f->record != RECORD_KEY && f->record != RECORD_BLANK)
		return 0;
	if (f->record == RECORD_BLANK || f->tpm != IDENTITY_TPM_OK) {
		take_record(found, 0);
		return 0;
	}
	for (size_t i = 0; i < found->records.count; i++) {
		if (!found->records.of[i].present) {
			says[i] = CHIP_HAS_IT_NOT;
			continue;
		}
		r = ask_chip(p, found, &found->records.of[i], &says[i], err);
		if (r < 0)
			return r;
		if (says[i] == CHIP_AGREES)
			return take_ours(found, i, err);
		f->foreign = f->foreign || says[i] == CHIP_DENIES;
	}
	take_first(found, says);
	return 0;
}

static int look_by_journal(struct provider *p, struct found *found, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
	const struct identity_journal *journal = &found->journal;
	struct slice name = slice_of(journal->name, journal->name_len);
	struct err why = {0};
	uint32_t handle = 0;

	if (identity_key_find(p, journal->handle, name, &handle, &there, &why) < 0) {
		found->facts.key = key_of_error(found, &why);
		return 0;
	}
	found->facts.key = KEY_OURS;
	found->key.handle = handle;
	if (identity_key_name(&found->key, name, err) < 0 ||
	    identity_copy(&found->key.header, buf_slice(&journal->header), err) < 0 ||
	    identity_copy(&found->key.spki, buf_slice(&there.spki), err) < 0)
		return err->code;
	return 0;
}

/*
 * What is there, and no key of ours or not to be asked, is no trouble: anything may lie there.
 * Neither is what the chip lists and does not show, as a key of a hierarchy that is switched off:
 * it could as well not have listed it.
 */
static bool is_anothers(int code)
{
	return code == ERR_NOT_FOUND || code == ERR_DAMAGED || code == ERR_INVALID ||
	       code == ERR_NOT_SUPPORTED || code == ERR_AUTH_FAILED;
}

/* Is what lies there the key with @spki, and opens by the password that ours have? */
static int try_handle(struct provider *p, uint32_t handle, struct slice spki,
		      struct identity_key *ret_key, struct err *err)
{
	int r = identity_key_at(p, handle, ret_key, err);

	if (r < 0)
		return r;
	if (!slice_equal(buf_slice(&ret_key->spki), spki))
		return err_set(err, ERR_NOT_FOUND, "another key lies there");
	return identity_key_prove(p, ret_key, err);
}

static void look_by_certificate(struct provider *p, const struct provider_taken *taken,
				struct found *found)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	struct identity_facts *f = &found->facts;
	struct err why = {0};

	f->key = KEY_GONE;
	if (identity_chain_spki(buf_slice(&found->chain), &spki, &why) < 0)
		return;
	for (size_t i = 0; i < taken->count && f->key != KEY_OURS; i++) {
		int r = try_handle(p, taken->handle[i], buf_slice(&spki), &found->key, &why);

		if (r == 0) {
			f->key = KEY_OURS;
		} else if (!is_anothers(r)) {
			/* Also where it went meanwhile: that is looked at again. */
			f->key = KEY_UNKNOWN;
			trouble(found, "the TPM", &why);
		}
	}
}

/* Does the key there open by our password? */
static int try_any(struct provider *p, uint32_t handle, bool *ret_ours, struct err *err)
{
	CLEANUP(identity_key_cleanup) struct identity_key key = IDENTITY_KEY_INIT;
	int r = identity_key_at(p, handle, &key, err);

	if (r == 0)
		r = identity_key_prove(p, &key, err);
	*ret_ours = r == 0;
	return is_anothers(r) ? 0 : r;
}

/* What fails twice while the chip goes on beside it is that object's own, as one of a kind that
 * nobody here can read. */
static int try_twice(struct provider *p, uint32_t handle, bool *ret_ours, struct err *err)
{
	struct provider_taken unused;
	int r = try_any(p, handle, ret_ours, err);

	if (r == ERR_TPM_FAILED)
		r = try_any(p, handle, ret_ours, err);
	return r == ERR_TPM_FAILED ? provider_taken(p, handle, &unused, err) : r;
}

/* Nobody knows whether there was one, until the chip has told of all that lies there. */
static void not_told(struct found *found, const struct err *why)
{
	found->facts.untold = true;
	found->facts.tpm = IDENTITY_TPM_FAILED;
	found->facts.key = KEY_UNKNOWN;
	trouble(found, "the TPM", why);
}

/* One that opens by our password, whatever the files say, is of an identity that was here. */
static void look_for_any(struct provider *p, const struct provider_taken *taken,
			 struct found *found)
{
	struct err why = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && !found->facts.was && i < taken->count; i++)
		r = try_twice(p, taken->handle[i], &found->facts.was, &why);
	if (r < 0)
		not_told(found, &why);
}

/* Where no copy of the record is good, and no journal names a key. */
static void look_without_record(struct identity *identity, struct provider *p, struct found *found)
{
	struct provider_taken taken;
	struct err why = {0};

	if (provider_taken(p, identity->handle, &taken, &why) < 0) {
		not_told(found, &why);
		return;
	}
	if (found->facts.certificate == CERTIFICATE_OTHER)
		look_by_certificate(p, &taken, found);
	if (found->facts.key != KEY_OURS)
		look_for_any(p, &taken, found);
}

static int look(struct identity *identity, struct provider *p, struct found *found, struct err *err)
{
	const struct identity_facts *f = &found->facts;

	if (f->tpm != IDENTITY_TPM_OK || f->record == RECORD_UNREADABLE || f->record == RECORD_KEY)
		return 0;
	if (state_journal_half_made(f->journal))
		return look_by_journal(p, found, err);
	if (f->record != RECORD_BLANK)
		look_without_record(identity, p, found);
	return 0;
}

/*
 * A Name tells nothing of the password: that is of auth.key, which is a file. So a key is asked to
 * sign once in a process, before anybody is told that it does.
 */
static int prove(struct identity *identity, struct provider *p, struct found *found,
		 struct err *err)
{
	const struct identity_key *key = &found->key;
	const struct slice parts[] = {slice_of(key->name, key->name_len), buf_slice(&key->header)};
	struct identity_facts *f = &found->facts;
	uint8_t proof[HASH_MAX_SIZE];
	struct err why = {0};
	int r;

	if (f->key != KEY_OURS || (f->record != RECORD_KEY && f->journal != JOURNAL_CONFIRM))
		return 0;
	r = hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), proof, err);
	if (r < 0 ||
	    slice_equal(slice_of(proof, PROOF_SIZE), slice_of(identity->proven, PROOF_SIZE)))
		return r;
	r = identity_key_prove(p, key, &why);
	if (r == 0)
		memcpy(identity->proven, proof, PROOF_SIZE);
	else if (r == ERR_DAMAGED || r == ERR_INVALID)
		f->key = KEY_DENIED;
	else
		f->key = key_of_error(found, &why);
	return 0;
}

/* --- whose certificate it is --- */

static bool chain_is_of(const struct found *found, const struct buf *spki)
{
	CLEANUP(buf_fini) struct buf its = BUF_INIT(1024);
	struct err ignored;

	return spki->len > 0 &&
	       identity_chain_spki(buf_slice(&found->chain), &its, &ignored) == 0 &&
	       slice_equal(buf_slice(&its), buf_slice(spki));
}

/* The record is the truth: another certificate of the same key is another certificate. */
static void classify_chain(struct found *found)
{
	struct identity_facts *f = &found->facts;

	if (f->certificate != CERTIFICATE_OTHER)
		return;
	if (f->record == RECORD_KEY) {
		if (slice_equal(buf_slice(&found->chain), buf_slice(&found->record.chain)))
			f->certificate = CERTIFICATE_KEYS;
	} else if (f->key == KEY_OURS && chain_is_of(found, &found->key.spki)) {
		f->certificate = CERTIFICATE_KEYS;
	}
	if (f->certificate == CERTIFICATE_OTHER && chain_is_of(found, &found->soft_spki))
		f->certificate = CERTIFICATE_SOFT;
}

/* As the provider knows after all that was asked of the chip. */
static bool is_strange(struct provider *p)
{
	struct provider_status status = {0};

	provider_status(p, &status);
	return status.fault != NULL;
}

int identity_gather(struct identity *identity, const struct identity_world *world,
		    struct found *found, struct err *err)
{
	struct identity_facts *f = &found->facts;
	int r;

	*f = (struct identity_facts){
		.last = IDENTITY_MODES,
		.tpm = world->tpm == IDENTITY_TPM_OK && !world->provider ? IDENTITY_TPM_FAILED
									 : world->tpm,
		.expected = world->expected,
		.policy = identity->policy,
		.provision = identity->provision,
		.ask = identity->ask,
		.key = KEY_UNKNOWN,
	};
	read_record(identity, found);
	r = choose_record(world->provider, found, err);
	if (r < 0)
		return r;
	read_journal(identity, found);
	read_chain(identity, found);
	r = read_soft(identity, found, err);
	if (r == 0)
		r = look(identity, world->provider, found, err);
	f->strange = f->tpm == IDENTITY_TPM_OK && is_strange(world->provider);
	if (r == 0)
		r = prove(identity, world->provider, found, err);
	if (r == 0)
		classify_chain(found);
	/* What cannot be read is told before the TPM, which may not be what stands in the way. */
	if (f->tpm != IDENTITY_TPM_OK && world->cause && found->trouble[0] == '\0')
		(void)snprintf(found->trouble, sizeof(found->trouble), "%s", world->cause);
	return r;
}
