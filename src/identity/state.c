/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: in which mode which event leads where, what is done for it, in which order, and what
 * people are told. A cell that has no row says why it cannot be. docs/IDENTITY.md is drawn from
 * here by tools/gen-identity.
 */
#include "identity/state.h"

#define WHY_HAS_ONE	      "there is an identity"
#define WHY_RESETTING	      "nothing else is looked at before the reset has ended"
#define WHY_NONE_YET	      "there is no identity that it could befall"
#define WHY_BEFORE_IT	      "until the journal is removed it counts as the mode before"
#define WHY_UNREADABLE	      "without an identity that is the event of what cannot be read"
#define WHY_CERTIFICATE_NAMES "a certificate of a key in the TPM is an identity there"
#define WHY_SOFT_IS_S	      "a software pair that is in force is a software identity, another one is none"
#define WHY_BESIDE	      "beside an identity in the TPM it has appeared"
#define WHY_SOFT_STAYS	      "a migration waits beside a software identity only"
#define WHY_SOFT_WORKS	      "a software identity needs no TPM"
#define WHY_NO_RESET	      "no reset was under way"
#define WHY_NOT_C	      "nothing waits for that word"
#define WHY_ALL_SAY_SO	      "where all copies say that there never was a key in a TPM, they agree"
#define WHY_MAY_BE_TPM	      "it may be of an identity in a TPM"
#define WHY_REFUSED	      "refused as an order that this mode has no use for"

/* What several cells say. */
#define TEXT_NEW	       "this device has a new identity"
#define TEXT_HALF_MADE	       "a key that was half made was removed from the TPM"
#define TEXT_IN_FILE	       "the key is in a file"
#define TEXT_IN_TPM	       "the key is in the TPM"
#define TEXT_AGAIN	       "the TPM serves again, with our key in it"
#define TEXT_BACK	       "the TPM with our key is back"
#define TEXT_RESTORED	       "the certificate was missing and was restored, for the same key"
#define TEXT_OTHER_CERTIFICATE "a certificate that is not of this identity was found and put aside"
#define TEXT_REPLACED	       "the certificate was replaced by another; it was restored, for the same key"
#define TEXT_FILE_UNREADABLE   "the certificate file cannot be read; the record has the certificate"
#define TEXT_MENDED	       "a copy of the record was lost, torn or old and was written again from another"
#define TEXT_FOREIGN                                                                               \
	"copies of the record did not agree; that of the key in the TPM was written over the "     \
	"others"
#define TEXT_FOREIGN_ALARM                                                                         \
	"a copy of the record named another identity, or none: somebody may have put it there"
#define TEXT_REBUILT                                                                               \
	"all copies of the record were lost; the certificate names the key in the TPM, and the "   \
	"record was made again from both"
#define TEXT_RECORDS_LOST "all copies of the record of the identity were lost"
#define TEXT_BESIDE	  "the key is in the TPM; a software pair beside it was put aside"
#define TEXT_QUARANTINED                                                                           \
	"a software key appeared beside an identity in the TPM; it is in quarantine"
#define TEXT_SERVES_NOT "the identity is in a TPM that does not serve now"
#define TEXT_NO_SIGNING "the TPM with the identity does not serve: nothing is signed"
#define TEXT_NOT_THERE                                                                             \
	"the key of the identity is not in the TPM: it was cleared, or the TPM was replaced"
#define TEXT_DECIDE "decide: bring the TPM back, or holdfast device approve for a new identity"
#define TEXT_DENIED                                                                                \
	"the key of the identity is in the TPM and does not open: auth.key is not the one that "   \
	"it was made with"
#define TEXT_DENIED_DECIDE                                                                         \
	"decide: bring that auth.key back, or holdfast device approve for a new identity"
#define TEXT_STRAY                                                                                 \
	"there is a certificate, and neither its key nor a record, nor a TPM that the key could "  \
	"be in"
#define TEXT_STRAY_DECIDE                                                                          \
	"decide: bring its key or TPM, or holdfast device approve to do without it"
#define TEXT_NOBODY_KNOWS "a part of the identity cannot be read; nobody knows what is there"
#define TEXT_RESET	  "a factory reset is under way"
#define TEXT_RENEWED	  "the certificate was renewed, for the same key"
#define TEXT_INSTALLED	  "a certificate was installed"
#define TEXT_SEE_CONFIGURATION                                                                     \
	"See device { tpm } in the configuration; after an identity in a TPM only a factory "      \
	"reset allows one in software."
#define TEXT_NO_TPM "the TPM does not serve"

/* The parts of a cell. */
#define NEVER(why)                                                                                 \
	{                                                                                          \
		.never = (why)                                                                     \
	}
#define TO(mode, text) .to = IDENTITY_##mode, .reason = (text)
#define DO(...)	       .actions = {__VA_ARGS__}

#define MAKE_IN_TPM                                                                                \
	ACT_CREATE, ACT_PERSIST, ACT_PROVE, ACT_CERTIFY, ACT_COMMIT, ACT_WRITE_CERTIFICATE,        \
		ACT_MARK, ACT_END_JOURNAL
#define MAKE_IN_FILE ACT_MAKE_SOFT, ACT_SOFT_CERTIFICATE, ACT_RECORD_SOFT, ACT_UNMARK

static const struct identity_row ROWS[IDENTITY_EVENTS][IDENTITY_MODES] = {
	[EVENT_FIRST] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(ENABLED,
						       "a new identity was made in the TPM"),
						    DO(MAKE_IN_TPM), .again = true},
			[IDENTITY_SOFTWARE] =
				{TO(ENABLED, "certificate and key of the software identity were "
					     "deleted: a new identity was made in the TPM"),
				 DO(MAKE_IN_TPM), .again = true, .alarm = TEXT_NEW},
			[IDENTITY_ENABLED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_DEGRADED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_HAS_ONE),
		},
	[EVENT_FIRST_SOFTWARE] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(SOFTWARE,
						       "a new software identity was made: there is "
						       "no TPM, or it is not to be used"),
						    DO(MAKE_IN_FILE), .again = true},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, "certificate and key were deleted: a "
							    "new software identity was made"),
					       DO(MAKE_IN_FILE), .again = true, .alarm = TEXT_NEW},
			[IDENTITY_ENABLED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_DEGRADED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_HAS_ONE),
		},
	[EVENT_AWAIT] =
		{
			[IDENTITY_UNPROVISIONED] =
				{TO(UNPROVISIONED,
				    "a TPM is expected and does not serve: waiting for it"),
				 DO(ACT_UNMARK), .retry = true},
			[IDENTITY_SOFTWARE] =
				{TO(UNPROVISIONED,
				    "certificate and key of the software identity were deleted, "
				    "and a TPM is expected that does not serve: waiting for it"),
				 DO(ACT_UNMARK), .retry = true},
			[IDENTITY_ENABLED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_DEGRADED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_HAS_ONE),
		},
	[EVENT_UNASKED] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED,
						       "nobody has asked for an identity yet"),
						    DO(ACT_UNMARK)},
			[IDENTITY_SOFTWARE] =
				{TO(UNPROVISIONED,
				    "certificate and key of the software identity were deleted, "
				    "and nobody has asked for a new one"),
				 DO(ACT_UNMARK), .alarm = "the identity was deleted"},
			[IDENTITY_ENABLED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_DEGRADED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_HAS_ONE),
		},
	[EVENT_CUT_BEFORE] =
		{
			[IDENTITY_UNPROVISIONED] =
				{TO(UNPROVISIONED,
				    "the making of an identity was interrupted and undone"),
				 DO(ACT_EVICT, ACT_END_JOURNAL), .again = true},
			[IDENTITY_SOFTWARE] =
				{TO(SOFTWARE,
				    "the making of a key in the TPM was interrupted and undone"),
				 DO(ACT_EVICT, ACT_END_JOURNAL), .again = true,
				 .alarm = "a key in the TPM was half made when the power went; it "
					  "was removed"},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_HALF_MADE),
					      DO(ACT_EVICT, ACT_END_JOURNAL), .again = true},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_HALF_MADE),
					       DO(ACT_EVICT, ACT_END_JOURNAL), .again = true},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_HALF_MADE),
					       DO(ACT_EVICT, ACT_END_JOURNAL), .again = true},
		},
	[EVENT_CUT_AFTER] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(ENABLED,
						       "a new identity was made in the TPM; the "
						       "power went at the end of it"),
						    DO(ACT_MEND, ACT_WRITE_CERTIFICATE, ACT_MARK,
						       ACT_END_JOURNAL),
						    .again = true},
			[IDENTITY_SOFTWARE] =
				{TO(ENABLED, "the identity moved to the TPM; the "
					     "power went at the end of it"),
				 DO(ACT_MEND, ACT_KEEP_CROSS, ACT_KEEP_CERTIFICATE,
				    ACT_WRITE_CERTIFICATE, ACT_ERASE_SOFT, ACT_MARK,
				    ACT_END_JOURNAL),
				 .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_BEFORE_IT),
			[IDENTITY_DEGRADED] = NEVER(WHY_BEFORE_IT),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_BEFORE_IT),
		},
	[EVENT_NORMAL] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_IN_FILE), DO(ACT_UNMARK)},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_IN_TPM), DO(ACT_MARK)},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_AGAIN), DO(ACT_MARK)},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_BACK), DO(ACT_MARK)},
		},
	[EVENT_CERTIFICATE_LOST] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, "the certificate was missing and was "
							    "made again for the same key"),
					       DO(ACT_SOFT_CERTIFICATE), .again = true},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_RESTORED), DO(ACT_WRITE_CERTIFICATE),
					      .again = true},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_RESTORED),
					       DO(ACT_WRITE_CERTIFICATE), .again = true},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_RESTORED),
					       DO(ACT_WRITE_CERTIFICATE), .again = true},
		},
	[EVENT_CERTIFICATE_OTHER] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED,
						       "the certificate of an identity that is "
						       "given up was put aside"),
						    DO(ACT_RETIRE_CERTIFICATE), .again = true},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE,
						  "the certificate was replaced by another; it was "
						  "made again for the same key"),
					       DO(ACT_KEEP_CERTIFICATE, ACT_SOFT_CERTIFICATE),
					       .again = true, .alarm = TEXT_OTHER_CERTIFICATE},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_REPLACED),
					      DO(ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE),
					      .again = true, .alarm = TEXT_OTHER_CERTIFICATE},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_REPLACED),
					       DO(ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE),
					       .again = true, .alarm = TEXT_OTHER_CERTIFICATE},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_REPLACED),
					       DO(ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE),
					       .again = true, .alarm = TEXT_OTHER_CERTIFICATE},
		},
	[EVENT_CERTIFICATE_UNREADABLE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_UNREADABLE),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_IN_FILE), DO(ACT_UNMARK),
					       .retry = true,
					       .alarm = "the certificate file cannot be read"},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_IN_TPM), DO(ACT_MARK), .retry = true,
					      .alarm = TEXT_FILE_UNREADABLE},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_AGAIN), DO(ACT_MARK), .retry = true,
					       .alarm = TEXT_FILE_UNREADABLE},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_BACK), DO(ACT_MARK), .retry = true,
					       .alarm = TEXT_FILE_UNREADABLE},
		},
	[EVENT_RECORD_MENDED] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED, TEXT_MENDED), DO(ACT_MEND),
						    .again = true},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_MENDED), DO(ACT_RECORD_SOFT),
					       .again = true},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_MENDED), DO(ACT_MEND),
					      .again = true},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_MENDED), DO(ACT_MEND),
					       .again = true},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_MENDED), DO(ACT_MEND),
					       .again = true},
		},
	[EVENT_RECORD_FOREIGN] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED,
						       "copies of the record did not agree; this "
						       "device had an identity in a TPM"),
						    DO(ACT_MEND), .again = true,
						    .alarm = TEXT_FOREIGN_ALARM},
			[IDENTITY_SOFTWARE] = NEVER(WHY_ALL_SAY_SO),
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_FOREIGN), DO(ACT_MEND),
					      .again = true, .alarm = TEXT_FOREIGN_ALARM},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_FOREIGN), DO(ACT_MEND),
					       .again = true, .alarm = TEXT_FOREIGN_ALARM},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_FOREIGN), DO(ACT_MEND),
					       .again = true, .alarm = TEXT_FOREIGN_ALARM},
		},
	[EVENT_RECORD_LOST] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_CERTIFICATE_NAMES),
			[IDENTITY_SOFTWARE] = NEVER(WHY_CERTIFICATE_NAMES),
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_REBUILT), DO(ACT_REBUILD),
					      .again = true, .alarm = TEXT_RECORDS_LOST},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_REBUILT), DO(ACT_REBUILD),
					       .again = true, .alarm = TEXT_RECORDS_LOST},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_REBUILT), DO(ACT_REBUILD),
					       .again = true, .alarm = TEXT_RECORDS_LOST},
		},
	[EVENT_SOFT_FOUND] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE,
						  "a software identity was found and is kept"),
					       DO(ACT_RECORD_SOFT), .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_BESIDE),
			[IDENTITY_DEGRADED] = NEVER(WHY_BESIDE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_BESIDE),
		},
	[EVENT_SOFT_APPEARED] =
		{
			[IDENTITY_UNPROVISIONED] =
				{TO(UNPROVISIONED, "this device had an identity in a TPM: a "
						   "software key is not taken in its place"),
				 DO(ACT_QUARANTINE), .again = true,
				 .alarm = "a software key appeared; it is in quarantine"},
			[IDENTITY_SOFTWARE] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_BESIDE), DO(ACT_QUARANTINE),
					      .again = true, .alarm = TEXT_QUARANTINED},
			[IDENTITY_DEGRADED] = {TO(ENABLED, TEXT_BESIDE), DO(ACT_QUARANTINE),
					       .again = true, .alarm = TEXT_QUARANTINED},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(ENABLED, TEXT_BESIDE), DO(ACT_QUARANTINE),
					       .again = true, .alarm = TEXT_QUARANTINED},
		},
	[EVENT_SOFT_ASKED] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, "older software made a software "
							    "identity beside the one in the TPM"),
					       DO(ACT_UNMARK),
					       .alarm = "approve to return to the identity in the "
							"TPM: holdfast device approve"},
			[IDENTITY_ENABLED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_DEGRADED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_SOFT_IS_S),
		},
	[EVENT_SOFT_UNREADABLE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_SOFTWARE] =
				{TO(SOFTWARE, "the key is in a file that cannot be read"),
				 DO(ACT_UNMARK), .retry = true,
				 .alarm = "the software key cannot be read: nothing is signed"},
			[IDENTITY_ENABLED] = NEVER(WHY_BESIDE),
			[IDENTITY_DEGRADED] = NEVER(WHY_BESIDE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_BESIDE),
		},
	[EVENT_CONFIRMING] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_SOFTWARE] =
				{TO(SOFTWARE,
				    "the key is in a file; one in the TPM waits to be confirmed"),
				 DO(ACT_UNMARK),
				 .alarm = "a migration waits: holdfast device migrate --confirm, "
					  "or --rollback"},
			[IDENTITY_ENABLED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_DEGRADED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_SOFT_STAYS),
		},
	[EVENT_TPM_GONE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = NEVER(WHY_SOFT_WORKS),
			[IDENTITY_ENABLED] = {TO(DEGRADED, TEXT_SERVES_NOT), DO(ACT_MARK),
					      .retry = true, .alarm = TEXT_NO_SIGNING},
			[IDENTITY_DEGRADED] = {TO(DEGRADED, TEXT_SERVES_NOT), DO(ACT_MARK),
					       .retry = true, .alarm = TEXT_NO_SIGNING},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(DEGRADED, TEXT_SERVES_NOT), DO(ACT_MARK),
					       .retry = true, .alarm = TEXT_NO_SIGNING},
		},
	[EVENT_KEY_GONE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] =
				{TO(CONFLICT,
				    "the software key was deleted and its certificate was not"),
				 DO(ACT_UNMARK),
				 .alarm = "decide: bring the key back, or holdfast device approve "
					  "for a new identity"},
			[IDENTITY_ENABLED] = {TO(CONFLICT, TEXT_NOT_THERE), DO(ACT_MARK),
					      .alarm = TEXT_DECIDE},
			[IDENTITY_DEGRADED] = {TO(CONFLICT, TEXT_NOT_THERE), DO(ACT_MARK),
					       .alarm = TEXT_DECIDE},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(CONFLICT, TEXT_NOT_THERE), DO(ACT_MARK),
					       .alarm = TEXT_DECIDE},
		},
	[EVENT_KEY_DENIED] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = NEVER(WHY_SOFT_WORKS),
			[IDENTITY_ENABLED] = {TO(CONFLICT, TEXT_DENIED), DO(ACT_MARK),
					      .alarm = TEXT_DENIED_DECIDE},
			[IDENTITY_DEGRADED] = {TO(CONFLICT, TEXT_DENIED), DO(ACT_MARK),
					       .alarm = TEXT_DENIED_DECIDE},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(CONFLICT, TEXT_DENIED), DO(ACT_MARK),
					       .alarm = TEXT_DENIED_DECIDE},
		},
	[EVENT_CERTIFICATE_STRAY] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = NEVER(WHY_MAY_BE_TPM),
			[IDENTITY_ENABLED] = {TO(CONFLICT, TEXT_STRAY), DO(ACT_UNMARK),
					      .retry = true, .alarm = TEXT_STRAY_DECIDE},
			[IDENTITY_DEGRADED] = {TO(CONFLICT, TEXT_STRAY), DO(ACT_UNMARK),
					       .retry = true, .alarm = TEXT_STRAY_DECIDE},
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(CONFLICT, TEXT_STRAY), DO(ACT_UNMARK),
					       .retry = true, .alarm = TEXT_STRAY_DECIDE},
		},
	[EVENT_UNREADABLE] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED, TEXT_NOBODY_KNOWS),
						    .retry = true, .alarm = TEXT_NOBODY_KNOWS},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_NOBODY_KNOWS), .retry = true,
					       .alarm = TEXT_NOBODY_KNOWS},
			[IDENTITY_ENABLED] = {TO(DEGRADED, TEXT_NOBODY_KNOWS), DO(ACT_MARK_UNSURE),
					      .retry = true, .alarm = TEXT_NOBODY_KNOWS},
			[IDENTITY_DEGRADED] = {TO(DEGRADED, TEXT_NOBODY_KNOWS), DO(ACT_MARK_UNSURE),
					       .retry = true, .alarm = TEXT_NOBODY_KNOWS},
			[IDENTITY_RESETTING] = {TO(RESETTING,
						   "the journal of the reset cannot be read"),
						.retry = true, .alarm = TEXT_NOBODY_KNOWS},
			[IDENTITY_CONFLICT] = {TO(CONFLICT, TEXT_NOBODY_KNOWS), .retry = true,
					       .alarm = TEXT_NOBODY_KNOWS},
		},
	[EVENT_RESET] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(RESETTING, TEXT_RESET)},
			[IDENTITY_SOFTWARE] = {TO(RESETTING, TEXT_RESET)},
			[IDENTITY_ENABLED] = {TO(RESETTING, TEXT_RESET)},
			[IDENTITY_DEGRADED] = {TO(RESETTING, TEXT_RESET)},
			[IDENTITY_RESETTING] = {TO(RESETTING, TEXT_RESET)},
			[IDENTITY_CONFLICT] = {TO(RESETTING, TEXT_RESET)},
		},
	[EVENT_RESET_DONE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NO_RESET),
			[IDENTITY_SOFTWARE] = NEVER(WHY_NO_RESET),
			[IDENTITY_ENABLED] = NEVER(WHY_NO_RESET),
			[IDENTITY_DEGRADED] = NEVER(WHY_NO_RESET),
			[IDENTITY_RESETTING] = {TO(UNPROVISIONED, "a factory reset has ended"),
						.again = true},
			[IDENTITY_CONFLICT] = NEVER(WHY_NO_RESET),
		},
	[EVENT_ORDER_SOFTWARE] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(SOFTWARE,
						       "an operator asked for a software identity"),
						    DO(MAKE_IN_FILE), .again = true},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE,
						  "an operator asked for a new software identity"),
					       DO(MAKE_IN_FILE), .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_DEGRADED] = NEVER(WHY_HAS_ONE),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_HAS_ONE),
		},
	[EVENT_ORDER_APPROVE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NOT_C),
			[IDENTITY_SOFTWARE] = NEVER(WHY_NOT_C),
			[IDENTITY_ENABLED] = NEVER(WHY_NOT_C),
			[IDENTITY_DEGRADED] = NEVER(WHY_NOT_C),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(UNPROVISIONED,
						  "an operator approved a new identity"),
					       DO(ACT_RETIRE_CERTIFICATE, ACT_BLANK, ACT_UNMARK),
					       .again = true},
		},
	[EVENT_ORDER_DISCARD] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NOT_C),
			[IDENTITY_SOFTWARE] = NEVER(WHY_NOT_C),
			[IDENTITY_ENABLED] = NEVER(WHY_NOT_C),
			[IDENTITY_DEGRADED] = NEVER(WHY_NOT_C),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] =
				{TO(UNPROVISIONED,
				    "an operator gave up a certificate without a key"),
				 DO(ACT_RETIRE_CERTIFICATE, ACT_UNMARK), .again = true},
		},
	[EVENT_ORDER_RESTORE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_SOFTWARE] =
				{TO(ENABLED,
				    "an operator approved the return to the identity in the TPM"),
				 DO(ACT_QUARANTINE, ACT_WRITE_CERTIFICATE, ACT_MARK),
				 .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_DEGRADED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_SOFT_IS_S),
		},
	[EVENT_ORDER_RENEW] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_RENEWED),
					       DO(ACT_KEEP_CERTIFICATE, ACT_SOFT_CERTIFICATE),
					       .again = true},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_RENEWED),
					      DO(ACT_CERTIFY, ACT_KEEP_RECORDED, ACT_COMMIT,
						 ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE),
					      .again = true},
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_INSTALL] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_INSTALLED),
					       DO(ACT_TAKE_SOFT_CHAIN), .again = true},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_INSTALLED),
					      DO(ACT_TAKE_CHAIN, ACT_KEEP_RECORDED, ACT_COMMIT,
						 ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE),
					      .again = true},
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_REQUEST] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_IN_FILE), DO(ACT_REQUEST),
					       .again = true},
			[IDENTITY_ENABLED] = {TO(ENABLED, TEXT_IN_TPM), DO(ACT_REQUEST),
					      .again = true},
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_MIGRATE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, "a key in the TPM was made"),
					       DO(ACT_CREATE_BESIDE, ACT_PERSIST, ACT_PROVE,
						  ACT_CERTIFY, ACT_CERTIFY_BY_SOFT, ACT_PEND),
					       .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_REFUSED),
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_CONFIRM] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(ENABLED, "the identity moved to the TPM"),
					       DO(ACT_ADOPT, ACT_KEEP_CROSS, ACT_KEEP_CERTIFICATE,
						  ACT_WRITE_CERTIFICATE, ACT_ERASE_SOFT, ACT_MARK,
						  ACT_END_JOURNAL),
					       .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_REFUSED),
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_ROLLBACK] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NONE_YET),
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, "the migration was taken back"),
					       DO(ACT_EVICT, ACT_END_JOURNAL), .again = true},
			[IDENTITY_ENABLED] = NEVER(WHY_REFUSED),
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_REFUSED] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED, "there is no identity yet"),
						    .refuse = ERR_NOT_FOUND,
						    .remedy = "Make one: holdfast device init."},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE,
						  "a software identity has no use for this"),
					       .refuse = ERR_CONFLICT,
					       .remedy = "See holdfast device status; holdfast "
							 "device migrate moves it to the TPM."},
			[IDENTITY_ENABLED] = {TO(ENABLED,
						 "an identity in the TPM has no use for this"),
					      .refuse = ERR_CONFLICT,
					      .remedy = "See holdfast device status; a new "
							"identity takes a factory reset."},
			[IDENTITY_DEGRADED] = {TO(DEGRADED, TEXT_SERVES_NOT),
					       .refuse = ERR_TPM_FAILED},
			[IDENTITY_RESETTING] = {TO(RESETTING, TEXT_RESET), .refuse = ERR_STARTING},
			[IDENTITY_CONFLICT] =
				{TO(CONFLICT,
				    "the key of the identity is not there, or is not ours"),
				 .refuse = ERR_TPM_CHANGED,
				 .remedy = "Bring it back, or begin anew: holdfast device "
					   "approve."},
		},
	[EVENT_ORDER_BARRED] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED,
						       "this device had an identity in a TPM, or "
						       "is configured to take one only"),
						    .refuse = ERR_CONFLICT,
						    .remedy = TEXT_SEE_CONFIGURATION},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE,
						  "the configuration keeps the identity out of the "
						  "TPM, or wants it there only"),
					       .refuse = ERR_CONFLICT,
					       .remedy = TEXT_SEE_CONFIGURATION},
			[IDENTITY_ENABLED] = NEVER(WHY_REFUSED),
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_NO_TPM] =
		{
			[IDENTITY_UNPROVISIONED] =
				{TO(UNPROVISIONED, TEXT_NO_TPM), .refuse = ERR_TPM_REQUIRED,
				 .remedy = "See holdfast doctor; without a TPM: holdfast device "
					   "init --software."},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_NO_TPM),
					       .refuse = ERR_TPM_REQUIRED,
					       .remedy = "See holdfast doctor."},
			[IDENTITY_ENABLED] = NEVER(WHY_REFUSED),
			[IDENTITY_DEGRADED] = NEVER(WHY_REFUSED),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_REFUSED),
		},
	[EVENT_ORDER_STRANGE] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_NOT_C),
			[IDENTITY_SOFTWARE] = NEVER(WHY_NOT_C),
			[IDENTITY_ENABLED] = NEVER(WHY_NOT_C),
			[IDENTITY_DEGRADED] = NEVER(WHY_NOT_C),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = {TO(CONFLICT, "the TPM is another one and is not "
							    "accepted yet: no key is made in it"),
					       .refuse = ERR_TPM_CHANGED,
					       .remedy = "Accept it first: holdfast tpm accept; "
							 "then holdfast device approve."},
		},
	[EVENT_ORDER_ASKED] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_SOFTWARE] =
				{TO(SOFTWARE, "the identity in the TPM waits for its return"),
				 .refuse = ERR_CONFLICT,
				 .remedy = "Return to it first: holdfast device approve."},
			[IDENTITY_ENABLED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_DEGRADED] = NEVER(WHY_SOFT_IS_S),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_SOFT_IS_S),
		},
	[EVENT_ORDER_MIGRATING] =
		{
			[IDENTITY_UNPROVISIONED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_SOFTWARE] =
				{TO(SOFTWARE,
				    "a migration waits to be confirmed, or there is none"),
				 .refuse = ERR_CONFLICT,
				 .remedy = "See holdfast device status: confirming."},
			[IDENTITY_ENABLED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_DEGRADED] = NEVER(WHY_SOFT_STAYS),
			[IDENTITY_RESETTING] = NEVER(WHY_RESETTING),
			[IDENTITY_CONFLICT] = NEVER(WHY_SOFT_STAYS),
		},
	[EVENT_ORDER_UNREADABLE] =
		{
			[IDENTITY_UNPROVISIONED] = {TO(UNPROVISIONED, TEXT_NOBODY_KNOWS),
						    .retry = true, .refuse = ERR_UNREADABLE},
			[IDENTITY_SOFTWARE] = {TO(SOFTWARE, TEXT_NOBODY_KNOWS), .retry = true,
					       .refuse = ERR_UNREADABLE},
			[IDENTITY_ENABLED] = {TO(DEGRADED, TEXT_NOBODY_KNOWS), .retry = true,
					      .refuse = ERR_UNREADABLE},
			[IDENTITY_DEGRADED] = {TO(DEGRADED, TEXT_NOBODY_KNOWS), .retry = true,
					       .refuse = ERR_UNREADABLE},
			[IDENTITY_RESETTING] = {TO(RESETTING, TEXT_NOBODY_KNOWS), .retry = true,
						.refuse = ERR_UNREADABLE},
			[IDENTITY_CONFLICT] = {TO(CONFLICT, TEXT_NOBODY_KNOWS), .retry = true,
					       .refuse = ERR_UNREADABLE},
		},
};

const struct identity_row *identity_row(enum identity_mode from, enum identity_event event)
{
	return &ROWS[event][from];
}
