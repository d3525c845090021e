/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which event facts are, and in which mode. What must be mended comes first, one thing after the
 * other; an order is heard when nothing is to be mended any more. What cannot be read is never
 * taken for what is not there, and a record that says that this device had an identity in a TPM
 * keeps it from one in software.
 */
#include "identity/state.h"

struct found {
	enum identity_mode from;
	enum identity_event event;
};

static struct found found(enum identity_mode from, enum identity_event event)
{
	return (struct found){.from = from, .event = event};
}

/* An identity in a TPM: which of its modes it was in. */
static enum identity_mode of_tpm(const struct identity_facts *f)
{
	return f->last == IDENTITY_DEGRADED || f->last == IDENTITY_CONFLICT ? f->last
									    : IDENTITY_ENABLED;
}

/* The record tells of a software identity that is here no more. */
static enum identity_mode without(const struct identity_facts *f)
{
	return f->record == RECORD_BLANK && !f->was ? IDENTITY_SOFTWARE : IDENTITY_UNPROVISIONED;
}

static bool chip_tells(const struct identity_facts *f)
{
	return f->tpm == IDENTITY_TPM_OK && f->key != KEY_UNKNOWN;
}

/* A part without which nothing can be decided. */
static bool unreadable(const struct identity_facts *f)
{
	return f->journal == JOURNAL_UNREADABLE || f->record == RECORD_UNREADABLE ||
	       (f->certificate == CERTIFICATE_UNREADABLE && f->soft == SOFT_NONE &&
		f->record != RECORD_KEY);
}

/* --- the record names a key in the chip --- */

static struct found cut_after(const struct identity_facts *f)
{
	if (!f->committed)
		return found(of_tpm(f), EVENT_CUT_BEFORE);
	return found(f->journal == JOURNAL_CONFIRM ? IDENTITY_SOFTWARE : IDENTITY_UNPROVISIONED,
		     EVENT_CUT_AFTER);
}

/* A pair that is whole is what older software makes; a lone key is a dropped file. */
static struct found soft_beside(const struct identity_facts *f)
{
	if (f->ask && f->soft == SOFT_THERE && f->certificate == CERTIFICATE_SOFT)
		return found(IDENTITY_SOFTWARE, EVENT_SOFT_ASKED);
	/* Whether it is whole nobody knows while a half of it cannot be read. */
	if (f->ask && f->soft == SOFT_UNREADABLE &&
	    (f->certificate == CERTIFICATE_OTHER || f->certificate == CERTIFICATE_UNREADABLE))
		return found(IDENTITY_SOFTWARE, EVENT_SOFT_UNREADABLE);
	return found(of_tpm(f), EVENT_SOFT_APPEARED);
}

static enum identity_event certificate_event(enum state_certificate found_one,
					     enum state_certificate wanted)
{
	if (found_one == wanted)
		return EVENT_NORMAL;
	if (found_one == CERTIFICATE_ABSENT)
		return EVENT_CERTIFICATE_LOST;
	return found_one == CERTIFICATE_UNREADABLE ? EVENT_CERTIFICATE_UNREADABLE
						   : EVENT_CERTIFICATE_OTHER;
}

static enum identity_event mended_event(const struct identity_facts *f)
{
	return f->foreign ? EVENT_RECORD_FOREIGN : EVENT_RECORD_MENDED;
}

static struct found with_key(const struct identity_facts *f)
{
	if (!chip_tells(f))
		return found(of_tpm(f), EVENT_TPM_GONE);
	if (f->key == KEY_GONE)
		return found(of_tpm(f), EVENT_KEY_GONE);
	if (f->key == KEY_DENIED)
		return found(of_tpm(f), EVENT_KEY_DENIED);
	if (state_journal_half_made(f->journal))
		return cut_after(f);
	if (f->mended)
		return found(of_tpm(f), mended_event(f));
	if (f->soft != SOFT_NONE)
		return soft_beside(f);
	return found(of_tpm(f), certificate_event(f->certificate, CERTIFICATE_KEYS));
}

/* --- it does not --- */

/* A certificate whose key is in no file: it is in a TPM, or was. */
static bool tpm_by_certificate(const struct identity_facts *f)
{
	return f->record != RECORD_BLANK &&
	       (f->certificate == CERTIFICATE_KEYS || f->certificate == CERTIFICATE_OTHER ||
		(f->certificate == CERTIFICATE_SOFT && f->soft == SOFT_NONE));
}

/* Where there is no TPM nobody can wait for one: it is an operator's to say whether there was. */
static enum identity_event tpm_is_gone(const struct identity_facts *f)
{
	bool never = f->tpm == IDENTITY_TPM_ABSENT && !f->expected;

	return never && f->record == RECORD_NONE && !f->was ? EVENT_CERTIFICATE_STRAY
							    : EVENT_TPM_GONE;
}

static bool rebuildable(const struct identity_facts *f)
{
	return f->record != RECORD_BLANK && f->certificate == CERTIFICATE_KEYS &&
	       f->tpm == IDENTITY_TPM_OK && f->key == KEY_OURS;
}

/* Is what the journal names to be undone now? A migration waits for its word only while all is
 * there. */
static bool to_undo(const struct identity_facts *f)
{
	if (!state_journal_half_made(f->journal) || f->tpm != IDENTITY_TPM_OK)
		return false;
	return f->journal != JOURNAL_CONFIRM || f->soft == SOFT_NONE || f->key == KEY_GONE ||
	       f->key == KEY_DENIED;
}

static bool is_software(const struct identity_facts *f)
{
	return f->soft != SOFT_NONE && !f->was && f->record != RECORD_TORN;
}

static struct found with_soft(const struct identity_facts *f)
{
	const enum identity_mode from = IDENTITY_SOFTWARE;
	enum identity_event event;

	if (!f->was && tpm_by_certificate(f) && !chip_tells(f))
		return found(of_tpm(f), tpm_is_gone(f));
	/* Torn copies may have said that there was one in a TPM: files alone end no such identity.
	 */
	if (f->was || f->record == RECORD_TORN)
		return found(IDENTITY_UNPROVISIONED, EVENT_SOFT_APPEARED);
	if (f->soft == SOFT_UNREADABLE)
		return found(from, EVENT_SOFT_UNREADABLE);
	/* The chip may have a key of ours, and somebody may have put the pair there. */
	if (f->untold)
		return found(of_tpm(f), EVENT_TPM_GONE);
	if (f->record != RECORD_BLANK)
		return found(from, EVENT_SOFT_FOUND);
	if (f->mended)
		return found(from, EVENT_RECORD_MENDED);
	event = certificate_event(f->certificate, CERTIFICATE_SOFT);
	if (event == EVENT_NORMAL && f->journal == JOURNAL_CONFIRM)
		event = EVENT_CONFIRMING;
	return found(from, event);
}

/* Nothing but perhaps a certificate. */
static struct found certificate_alone(const struct identity_facts *f)
{
	if (f->record == RECORD_BLANK && f->was)
		return found(IDENTITY_UNPROVISIONED, EVENT_CERTIFICATE_OTHER);
	if (f->record == RECORD_BLANK)
		return found(f->last == IDENTITY_CONFLICT ? f->last : IDENTITY_SOFTWARE,
			     EVENT_KEY_GONE);
	return found(of_tpm(f), chip_tells(f) ? EVENT_KEY_GONE : tpm_is_gone(f));
}

/* May it be a software identity by itself? Torn copies may have said that this device had a TPM's.
 */
static bool software_allowed(const struct identity_facts *f)
{
	return !f->was && !f->untold && f->record != RECORD_TORN && f->policy != IDENTITY_REQUIRE &&
	       !state_journal_half_made(f->journal);
}

static enum identity_event first_event(const struct identity_facts *f)
{
	bool none = f->tpm == IDENTITY_TPM_ABSENT && !f->expected;
	bool asked = f->provision || f->wish == WISH_INIT;
	enum identity_event event = EVENT_AWAIT;

	if (f->policy == IDENTITY_OFF || none) {
		if (software_allowed(f))
			event = EVENT_FIRST_SOFTWARE;
	} else if (f->tpm == IDENTITY_TPM_OK) {
		event = EVENT_FIRST;
	}
	if (event == EVENT_AWAIT)
		return f->wish == WISH_INIT ? EVENT_ORDER_NO_TPM : event;
	return asked ? event : EVENT_UNASKED;
}

static struct found with_nothing(const struct identity_facts *f)
{
	enum identity_mode from = without(f);

	if (f->record == RECORD_BLANK && f->mended)
		return found(from, mended_event(f));
	if (f->wish == WISH_SOFTWARE)
		return found(from, f->was || f->policy == IDENTITY_REQUIRE ? EVENT_ORDER_BARRED
									   : EVENT_ORDER_SOFTWARE);
	if (f->wish != WISH_NONE && f->wish != WISH_INIT)
		return found(from, EVENT_ORDER_REFUSED);
	return found(from, first_event(f));
}

static struct found without_key(const struct identity_facts *f)
{
	if (rebuildable(f))
		return found(of_tpm(f), EVENT_RECORD_LOST);
	if (to_undo(f))
		return found(is_software(f) ? IDENTITY_SOFTWARE : without(f), EVENT_CUT_BEFORE);
	if (f->soft != SOFT_NONE)
		return with_soft(f);
	if (f->certificate != CERTIFICATE_ABSENT)
		return certificate_alone(f);
	return with_nothing(f);
}

/* --- orders --- */

static const struct {
	enum identity_event does; /* where there is an identity */
	bool by_chip;		  /* of a software identity too */
} WISH_TABLE[WISHES] = {
	[WISH_INIT] = {EVENT_ORDER_REFUSED, false},
	[WISH_SOFTWARE] = {EVENT_ORDER_REFUSED, false},
	[WISH_APPROVE] = {EVENT_ORDER_REFUSED, false},
	[WISH_RENEW] = {EVENT_ORDER_RENEW, false},
	[WISH_INSTALL] = {EVENT_ORDER_INSTALL, false},
	[WISH_REQUEST] = {EVENT_ORDER_REQUEST, false},
	[WISH_MIGRATE] = {EVENT_ORDER_MIGRATE, true},
	[WISH_CONFIRM] = {EVENT_ORDER_CONFIRM, true},
	[WISH_ROLLBACK] = {EVENT_ORDER_ROLLBACK, true},
};

static enum identity_event order_in_software(const struct identity_facts *f,
					     enum identity_event rest)
{
	bool waits = rest == EVENT_CONFIRMING;
	bool ends = f->wish == WISH_CONFIRM || f->wish == WISH_ROLLBACK;

	if (rest == EVENT_SOFT_UNREADABLE)
		return EVENT_ORDER_UNREADABLE;
	if (rest == EVENT_SOFT_ASKED)
		return f->wish == WISH_APPROVE ? EVENT_ORDER_RESTORE : EVENT_ORDER_ASKED;
	if (!WISH_TABLE[f->wish].by_chip)
		return WISH_TABLE[f->wish].does;
	if (waits != ends)
		return EVENT_ORDER_MIGRATING;
	if (f->wish == WISH_MIGRATE && f->policy == IDENTITY_OFF)
		return EVENT_ORDER_BARRED;
	if (f->tpm != IDENTITY_TPM_OK || (ends && f->key != KEY_OURS) ||
	    (!ends && state_journal_half_made(f->journal)))
		return EVENT_ORDER_NO_TPM;
	return WISH_TABLE[f->wish].does;
}

static enum identity_event order_in_tpm(const struct identity_facts *f)
{
	return WISH_TABLE[f->wish].by_chip ? EVENT_ORDER_REFUSED : WISH_TABLE[f->wish].does;
}

/* What follows is made in the chip, where there is one that is to be used. */
static struct found approve(const struct identity_facts *f, struct found rest)
{
	/* Nobody approves what he was not told yet. */
	if (f->last != IDENTITY_CONFLICT)
		return rest;
	if (f->strange && f->tpm == IDENTITY_TPM_OK && f->policy != IDENTITY_OFF)
		return found(f->last, EVENT_ORDER_STRANGE);
	return found(rest.from, rest.event == EVENT_CERTIFICATE_STRAY ? EVENT_ORDER_DISCARD
								      : EVENT_ORDER_APPROVE);
}

/* @rest is what it would be without the order, and nothing is to be mended. */
static struct found order(const struct identity_facts *f, struct found rest)
{
	switch (rest.event) {
	case EVENT_UNREADABLE:
		return found(rest.from, EVENT_ORDER_UNREADABLE);
	case EVENT_RESET:
		return found(IDENTITY_RESETTING, EVENT_ORDER_REFUSED);
	case EVENT_TPM_GONE:
		return found(IDENTITY_DEGRADED, EVENT_ORDER_REFUSED);
	case EVENT_KEY_GONE:
	case EVENT_KEY_DENIED:
	case EVENT_CERTIFICATE_STRAY:
		if (f->wish != WISH_APPROVE)
			return found(IDENTITY_CONFLICT, EVENT_ORDER_REFUSED);
		return approve(f, rest);
	case EVENT_NORMAL:
	case EVENT_CERTIFICATE_UNREADABLE:
	case EVENT_SOFT_ASKED:
	case EVENT_SOFT_UNREADABLE:
	case EVENT_CONFIRMING:
		if (rest.from == IDENTITY_SOFTWARE)
			return found(rest.from, order_in_software(f, rest.event));
		return found(IDENTITY_ENABLED, order_in_tpm(f));
	default:
		return rest; /* to be mended first, or an order that is classified already */
	}
}

static struct found resting(const struct identity_facts *f)
{
	struct found below;

	if (f->last == IDENTITY_RESETTING && f->journal != JOURNAL_RESET)
		return found(f->last, f->journal == JOURNAL_UNREADABLE ? EVENT_UNREADABLE
								       : EVENT_RESET_DONE);
	if (f->journal == JOURNAL_RESET && f->last == IDENTITY_RESETTING)
		return found(f->last, EVENT_RESET);
	if (unreadable(f))
		below = found(f->last == IDENTITY_MODES ? IDENTITY_DEGRADED : f->last,
			      EVENT_UNREADABLE);
	else
		below = f->record == RECORD_KEY ? with_key(f) : without_key(f);
	return f->journal == JOURNAL_RESET ? found(below.from, EVENT_RESET) : below;
}

void identity_classify(const struct identity_facts *facts, enum identity_mode *ret_from,
		       enum identity_event *ret_event)
{
	struct found rest = resting(facts);

	if (facts->wish != WISH_NONE)
		rest = order(facts, rest);
	*ret_from = rest.from;
	*ret_event = rest.event;
}
