/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_STATE_H
#define IDENTITY_STATE_H

/*
 * State: the table of the device's identity (docs/IDENTITY.md). Pure: facts in, mode and actions
 * out. Nothing else decides. Two halves: classify.c says of facts which event they are and to which
 * mode it comes, state.c has a cell for each of them. docs/IDENTITY.md is drawn from it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum identity_mode {
	IDENTITY_UNPROVISIONED, /* U: none */
	IDENTITY_SOFTWARE,	/* S: a key in a file */
	IDENTITY_ENABLED,	/* E: a key in the TPM */
	IDENTITY_DEGRADED,	/* D: in the TPM, which cannot serve now */
	IDENTITY_RESETTING,	/* X: everything is being erased */
	IDENTITY_CONFLICT,	/* C: an operator decides */
	IDENTITY_MODES,
};
/* "unprovisioned", "software", "enabled", "degraded", "resetting", "conflict". */
const char *identity_mode_name(enum identity_mode mode);

/* device { tpm } */
enum identity_policy { IDENTITY_PREFER, IDENTITY_REQUIRE, IDENTITY_OFF, IDENTITY_POLICIES };

/* Does the TPM serve? Lockout does not count: our keys work in it. */
enum identity_tpm {
	IDENTITY_TPM_OK,
	IDENTITY_TPM_ABSENT,
	IDENTITY_TPM_FAILED,
	IDENTITY_TPM_STATES,
};

/* --- facts --- */

enum state_record {
	RECORD_NONE,	   /* no copy anywhere */
	RECORD_BLANK,	   /* good, and names no key in a TPM */
	RECORD_KEY,	   /* good, and names one */
	RECORD_TORN,	   /* there are copies, none is good */
	RECORD_UNREADABLE, /* nobody knows */
	RECORD_STATES,
};

/*
 * The key in the chip that the record names; where it names none, the one that the journal names;
 * where there is no journal either, the one whose certificate the file is.
 */
enum state_key {
	KEY_UNKNOWN, /* the chip does not serve, or did not tell */
	KEY_GONE,    /* not there, or another one lies there */
	KEY_OURS,
	KEY_DENIED, /* there, and does not open by the password that ours have */
	KEY_STATES,
};

enum state_certificate {
	CERTIFICATE_ABSENT,
	CERTIFICATE_KEYS, /* as the record has it; where it has none, that of the key in the chip */
	CERTIFICATE_SOFT, /* of the software key */
	CERTIFICATE_OTHER, /* of neither, or no certificate at all */
	CERTIFICATE_UNREADABLE,
	CERTIFICATE_STATES,
};

enum state_soft { SOFT_NONE, SOFT_THERE, SOFT_UNREADABLE, SOFT_STATES };

enum state_journal {
	JOURNAL_NONE,
	JOURNAL_INIT,
	JOURNAL_MIGRATE,
	JOURNAL_CONFIRM,
	JOURNAL_RESET,
	JOURNAL_UNREADABLE,
	JOURNAL_STATES,
};

/* A key is being made, or waits. */
static inline bool state_journal_half_made(enum state_journal journal)
{
	return journal == JOURNAL_INIT || journal == JOURNAL_MIGRATE || journal == JOURNAL_CONFIRM;
}

/* What an operator asks for. */
enum state_wish {
	WISH_NONE,
	WISH_INIT,
	WISH_SOFTWARE, /* INIT without a TPM */
	WISH_APPROVE,
	WISH_RENEW,
	WISH_INSTALL,
	WISH_REQUEST,
	WISH_MIGRATE,
	WISH_CONFIRM,
	WISH_ROLLBACK,
	WISHES,
};

struct identity_facts {
	enum identity_mode last; /* of this process; IDENTITY_MODES at its start */
	enum identity_tpm tpm;
	bool expected; /* a TPM is configured, announced by firmware or may still come */
	bool was; /* this device has had an identity in a TPM, as some copy of the record says */
	enum state_record record;
	bool mended;  /* another copy of the record was torn, older or missing .. */
	bool foreign; /* .. or says that there is or was no key, or another one */
	bool strange; /* the chip is another one, and nobody has accepted it yet */
	bool untold;  /* no record, and the chip did not tell whether there was one: FAILED */
	enum state_key key;
	enum state_certificate certificate;
	enum state_soft soft;
	enum state_journal journal;
	bool committed; /* the record names the key of the journal */
	enum identity_policy policy;
	bool provision; /* by itself */
	bool ask;	/* before a TPM's identity is restored over a software pair */
	enum state_wish wish;
};

/* --- events --- */

enum identity_event {
	/* No identity. */
	EVENT_FIRST,
	EVENT_FIRST_SOFTWARE,
	EVENT_AWAIT,
	EVENT_UNASKED,
	/* What was being done when the power went. */
	EVENT_CUT_BEFORE,
	EVENT_CUT_AFTER,
	/* An identity, and what is with its files. */
	EVENT_NORMAL,
	EVENT_CERTIFICATE_LOST,
	EVENT_CERTIFICATE_OTHER,
	EVENT_CERTIFICATE_UNREADABLE,
	EVENT_RECORD_MENDED,
	EVENT_RECORD_FOREIGN,
	EVENT_RECORD_LOST,
	EVENT_SOFT_FOUND,
	EVENT_SOFT_APPEARED,
	EVENT_SOFT_ASKED,
	EVENT_SOFT_UNREADABLE,
	EVENT_CONFIRMING,
	/* The chip. */
	EVENT_TPM_GONE,
	EVENT_KEY_GONE,
	EVENT_KEY_DENIED,
	EVENT_CERTIFICATE_STRAY,
	EVENT_UNREADABLE,
	EVENT_RESET,
	EVENT_RESET_DONE,
	/* An operator's word. */
	EVENT_ORDER_SOFTWARE,
	EVENT_ORDER_APPROVE,
	EVENT_ORDER_DISCARD,
	EVENT_ORDER_RESTORE,
	EVENT_ORDER_RENEW,
	EVENT_ORDER_INSTALL,
	EVENT_ORDER_REQUEST,
	EVENT_ORDER_MIGRATE,
	EVENT_ORDER_CONFIRM,
	EVENT_ORDER_ROLLBACK,
	/* .. and where it is refused. */
	EVENT_ORDER_REFUSED,
	EVENT_ORDER_BARRED,
	EVENT_ORDER_NO_TPM,
	EVENT_ORDER_STRANGE,
	EVENT_ORDER_ASKED,
	EVENT_ORDER_MIGRATING,
	EVENT_ORDER_UNREADABLE,
	IDENTITY_EVENTS,
};
/* What it is, in words, for the document. */
const char *identity_event_text(enum identity_event event);

/* --- cells --- */

enum identity_action {
	ACT_NONE, /* ends the list */
	ACT_CREATE,
	ACT_CREATE_BESIDE,
	ACT_PERSIST,
	ACT_PROVE,
	ACT_CERTIFY,
	ACT_CERTIFY_BY_SOFT,
	ACT_KEEP_CROSS,
	ACT_COMMIT,
	ACT_ADOPT,
	ACT_MEND,
	ACT_REBUILD,
	ACT_BLANK,
	ACT_WRITE_CERTIFICATE,
	ACT_RETIRE_CERTIFICATE,
	ACT_KEEP_CERTIFICATE,
	ACT_KEEP_RECORDED,
	ACT_MAKE_SOFT,
	ACT_SOFT_CERTIFICATE,
	ACT_RECORD_SOFT,
	ACT_ERASE_SOFT,
	ACT_QUARANTINE,
	ACT_TAKE_CHAIN,
	ACT_TAKE_SOFT_CHAIN,
	ACT_REQUEST,
	ACT_PEND,
	ACT_EVICT,
	ACT_MARK,
	ACT_MARK_UNSURE,
	ACT_UNMARK,
	ACT_END_JOURNAL,
	IDENTITY_ACTIONS,
};
/* What it does, in words, for the document. */
const char *identity_action_text(enum identity_action action);

#define IDENTITY_ROW_MAX 10u

struct identity_row {
	const char *never; /* why this cell is impossible; NULL = it is not */
	enum identity_mode to;
	enum identity_action actions[IDENTITY_ROW_MAX]; /* in this order, up to ACT_NONE */
	bool again;	    /* facts are gathered anew, and the next event follows at once */
	bool retry;	    /* worth trying again later */
	const char *reason; /* how it is now and why, for people */
	const char *alarm;  /* what an operator should look at; NULL = nothing */
	int refuse;	    /* enum err_code that an order is answered with; 0 = it is done */
	const char *remedy; /* of a refusal; NULL = the code's own */
};

/* Total: every combination of facts is one event in one mode. */
void identity_classify(const struct identity_facts *facts, enum identity_mode *ret_from,
		       enum identity_event *ret_event);
/* Never NULL. */
const struct identity_row *identity_row(enum identity_mode from, enum identity_event event);

#endif
