/* SPDX-License-Identifier: Apache-2.0 */
/* How modes, events and actions are called. */
#include "base/mem.h"
#include "identity/state.h"

static const char *const EVENT_TEXTS[] = {
	[EVENT_FIRST] = "no identity; the TPM serves and is to be used",
	[EVENT_FIRST_SOFTWARE] = "no identity; no TPM and none expected, or `tpm = \"off\"`",
	[EVENT_AWAIT] = "no identity; a TPM is expected or demanded, or this device had one, and "
			"it does not serve",
	[EVENT_UNASKED] = "no identity; `provision = \"manual\"`",
	[EVENT_CUT_BEFORE] = "power cut before the record: a key was half made",
	[EVENT_CUT_AFTER] = "power cut after the record, before the end",
	[EVENT_NORMAL] = "all is as it was left",
	[EVENT_CERTIFICATE_LOST] = "certificate deleted",
	[EVENT_CERTIFICATE_OTHER] =
		"certificate of another key, another one than recorded, or none at all in the file",
	[EVENT_CERTIFICATE_UNREADABLE] = "certificate file there, and not to be read",
	[EVENT_RECORD_MENDED] = "a copy of the record lost, torn or old; another good",
	[EVENT_RECORD_FOREIGN] = "copies of the record that name another key, or none",
	[EVENT_RECORD_LOST] =
		"all copies of the record lost or torn; the certificate names the key in the TPM",
	[EVENT_SOFT_FOUND] = "software key without a record (upgrade from older software)",
	[EVENT_SOFT_APPEARED] = "software key beside an identity in the TPM (a dropped file; "
				"upgrade after a downgrade)",
	[EVENT_SOFT_ASKED] = "the same with a whole pair, and `restore = \"ask\"`",
	[EVENT_SOFT_UNREADABLE] = "software key there, and not to be read",
	[EVENT_CONFIRMING] = "a migration waits to be confirmed",
	[EVENT_TPM_GONE] = "TPM absent or failed, or it does not tell",
	[EVENT_KEY_GONE] = "the key that is named is not there",
	[EVENT_KEY_DENIED] = "the key that is named is there, and our password does not open it",
	[EVENT_CERTIFICATE_STRAY] =
		"a certificate without key and record; no TPM, and none expected",
	[EVENT_UNREADABLE] = "record or journal cannot be read, or the only certificate",
	[EVENT_RESET] = "journal of a factory reset",
	[EVENT_RESET_DONE] = "that journal is gone",
	[EVENT_ORDER_SOFTWARE] = "`device init --software`",
	[EVENT_ORDER_APPROVE] = "`device approve`",
	[EVENT_ORDER_DISCARD] = "`device approve` of giving such a certificate up",
	[EVENT_ORDER_RESTORE] = "`device approve` of a return to the TPM",
	[EVENT_ORDER_RENEW] = "`device renew`",
	[EVENT_ORDER_INSTALL] = "`device install-cert`",
	[EVENT_ORDER_REQUEST] = "`device csr`",
	[EVENT_ORDER_MIGRATE] = "`device migrate`",
	[EVENT_ORDER_CONFIRM] = "`device migrate --confirm`",
	[EVENT_ORDER_ROLLBACK] = "`device migrate --rollback`",
	[EVENT_ORDER_REFUSED] = "an order that this mode has no use for",
	[EVENT_ORDER_BARRED] = "an order that the configuration or the past forbids",
	[EVENT_ORDER_NO_TPM] = "an order that needs a TPM which does not serve",
	[EVENT_ORDER_STRANGE] = "`device approve` before `tpm accept`",
	[EVENT_ORDER_ASKED] = "an order before the return to the TPM was approved",
	[EVENT_ORDER_MIGRATING] = "migrating twice; confirming or taking back what is not there",
	[EVENT_ORDER_UNREADABLE] = "an order while a part cannot be read",
};

static const char *const ACTION_TEXTS[] = {
	[ACT_NONE] = "nothing",
	[ACT_CREATE] = "make a key, and note it in the journal",
	[ACT_CREATE_BESIDE] = "make a key beside the software identity, and note it in the journal",
	[ACT_PERSIST] = "make it persistent in the TPM",
	[ACT_PROVE] = "sign with it and verify that in software",
	[ACT_CERTIFY] = "issue a certificate, signed by itself",
	[ACT_CERTIFY_BY_SOFT] = "issue a second one, signed by the software key, as a proof",
	[ACT_KEEP_CROSS] = "keep that proof among the certificates of before",
	[ACT_COMMIT] = "write the record in both places and read it back",
	[ACT_ADOPT] = "write the record of the key that waits, in both places, and read it back",
	[ACT_MEND] = "write the record again",
	[ACT_REBUILD] = "write a record of the key and its certificate",
	[ACT_BLANK] = "write a record that names no key",
	[ACT_WRITE_CERTIFICATE] = "write the certificate file from the record",
	[ACT_RETIRE_CERTIFICATE] = "put the certificate file aside",
	[ACT_KEEP_CERTIFICATE] =
		"put a copy of the certificate file aside, if it is not the recorded one",
	[ACT_KEEP_RECORDED] = "put the recorded certificates aside",
	[ACT_MAKE_SOFT] = "make a software key",
	[ACT_SOFT_CERTIFICATE] =
		"issue a certificate, signed by the software key itself, and write its file",
	[ACT_RECORD_SOFT] = "record the software identity",
	[ACT_ERASE_SOFT] = "erase the software key",
	[ACT_QUARANTINE] = "put the software pair in quarantine",
	[ACT_TAKE_CHAIN] = "check the certificates that were brought",
	[ACT_TAKE_SOFT_CHAIN] = "check the certificates that were brought, and keep them",
	[ACT_REQUEST] = "sign a certificate request",
	[ACT_PEND] = "note in the journal that it waits to be confirmed",
	[ACT_EVICT] = "remove the key of the journal from the TPM",
	[ACT_MARK_UNSURE] = "rewrite `tpm_in_use` where it is, as far as that can be done",
	[ACT_MARK] = "rewrite `tpm_in_use`",
	[ACT_UNMARK] = "remove `tpm_in_use`",
	[ACT_END_JOURNAL] = "remove the journal",
};

static const char *const MODE_NAMES[] = {
	[IDENTITY_UNPROVISIONED] = "unprovisioned",
	[IDENTITY_SOFTWARE] = "software",
	[IDENTITY_ENABLED] = "enabled",
	[IDENTITY_DEGRADED] = "degraded",
	[IDENTITY_RESETTING] = "resetting",
	[IDENTITY_CONFLICT] = "conflict",
};

_Static_assert(ARRAY_LEN(EVENT_TEXTS) == IDENTITY_EVENTS, "an event without its text");
_Static_assert(ARRAY_LEN(ACTION_TEXTS) == IDENTITY_ACTIONS, "an action without its text");
_Static_assert(ARRAY_LEN(MODE_NAMES) == IDENTITY_MODES, "a mode without its name");

const char *identity_mode_name(enum identity_mode mode)
{
	return MODE_NAMES[mode];
}

const char *identity_event_text(enum identity_event event)
{
	return EVENT_TEXTS[event];
}

const char *identity_action_text(enum identity_action action)
{
	return ACTION_TEXTS[action];
}
