/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the table as they were asked for, one by one: facts in words, the mode and the event
 * that they must be. Without a word: the process has just started, the TPM serves, it is expected,
 * provisioning is automatic, and there is nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "identity/state.h"

#define ENUM(member) offsetof(struct identity_facts, member), sizeof(int)
#define FLAG(member) offsetof(struct identity_facts, member), sizeof(bool)

static const struct {
	const char *word;
	size_t at, size;
	int value;
} WORDS[] = {
	{"ok", ENUM(tpm), IDENTITY_TPM_OK},
	{"absent", ENUM(tpm), IDENTITY_TPM_ABSENT},
	{"failed", ENUM(tpm), IDENTITY_TPM_FAILED},
	{"off", ENUM(policy), IDENTITY_OFF},
	{"require", ENUM(policy), IDENTITY_REQUIRE},
	{"blank", ENUM(record), RECORD_BLANK},
	{"key", ENUM(record), RECORD_KEY},
	{"torn", ENUM(record), RECORD_TORN},
	{"r-unreadable", ENUM(record), RECORD_UNREADABLE},
	{"ours", ENUM(key), KEY_OURS},
	{"gone", ENUM(key), KEY_GONE},
	{"denied", ENUM(key), KEY_DENIED},
	{"unknown", ENUM(key), KEY_UNKNOWN},
	{"c-keys", ENUM(certificate), CERTIFICATE_KEYS},
	{"c-soft", ENUM(certificate), CERTIFICATE_SOFT},
	{"c-other", ENUM(certificate), CERTIFICATE_OTHER},
	{"c-absent", ENUM(certificate), CERTIFICATE_ABSENT},
	{"soft", ENUM(soft), SOFT_THERE},
	{"no-soft", ENUM(soft), SOFT_NONE},
	{"s-unreadable", ENUM(soft), SOFT_UNREADABLE},
	{"j-init", ENUM(journal), JOURNAL_INIT},
	{"j-confirm", ENUM(journal), JOURNAL_CONFIRM},
	{"j-reset", ENUM(journal), JOURNAL_RESET},
	{"j-unreadable", ENUM(journal), JOURNAL_UNREADABLE},
	{"last-d", ENUM(last), IDENTITY_DEGRADED},
	{"last-c", ENUM(last), IDENTITY_CONFLICT},
	{"last-x", ENUM(last), IDENTITY_RESETTING},
	{"+init", ENUM(wish), WISH_INIT},
	{"+software", ENUM(wish), WISH_SOFTWARE},
	{"+approve", ENUM(wish), WISH_APPROVE},
	{"+migrate", ENUM(wish), WISH_MIGRATE},
	{"+confirm", ENUM(wish), WISH_CONFIRM},
	{"+rollback", ENUM(wish), WISH_ROLLBACK},
	{"+renew", ENUM(wish), WISH_RENEW},
	{"unexpected", FLAG(expected), false},
	{"by-hand", FLAG(provision), false},
	{"w", FLAG(was), true},
	{"mended", FLAG(mended), true},
	{"foreign", FLAG(foreign), true},
	{"strange", FLAG(strange), true},
	{"committed", FLAG(committed), true},
	{"untold", FLAG(untold), true},
	{"ask", FLAG(ask), true},
};

static void set_word(struct identity_facts *facts, const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
		bool flag = WORDS[i].value != 0;

		if (strlen(WORDS[i].word) != len || memcmp(WORDS[i].word, word, len) != 0)
			continue;
		memcpy((char *)facts + WORDS[i].at,
		       WORDS[i].size == sizeof(bool) ? (const void *)&flag
						     : (const void *)&WORDS[i].value,
		       WORDS[i].size);
		return;
	}
	fail_msg("no such word: %.*s", (int)len, word);
}

static struct identity_facts facts_of(const char *words)
{
	struct identity_facts facts = {.last = IDENTITY_MODES, .expected = true, .provision = true};

	while (*words) {
		size_t len = strcspn(words, " ");

		set_word(&facts, words, len);
		words += len + strspn(words + len, " ");
	}
	return facts;
}

#define U IDENTITY_UNPROVISIONED
#define S IDENTITY_SOFTWARE
#define E IDENTITY_ENABLED
#define D IDENTITY_DEGRADED
#define X IDENTITY_RESETTING
#define C IDENTITY_CONFLICT

static const struct {
	const char *what;
	const char *words;
	enum identity_mode to;
	enum identity_event event;
} ROWS[] = {
	{"first boot", "", E, EVENT_FIRST},
	{"first boot without a TPM", "absent unexpected", S, EVENT_FIRST_SOFTWARE},
	{"tpm = off", "off", S, EVENT_FIRST_SOFTWARE},
	{"a TPM that is expected", "absent", U, EVENT_AWAIT},
	{"a TPM that fails", "failed unexpected", U, EVENT_AWAIT},
	{"a TPM that is required", "absent unexpected require", U, EVENT_AWAIT},
	{"by hand", "by-hand", U, EVENT_UNASKED},
	{"by hand, asked", "by-hand +init", E, EVENT_FIRST},
	{"an operator wants it in software", "failed +software", S, EVENT_ORDER_SOFTWARE},
	{"but never after a TPM's", "failed w blank +software", U, EVENT_ORDER_BARRED},
	{"a chip that does not tell", "failed untold", U, EVENT_AWAIT},
	{"the same, with a software pair", "failed untold soft c-soft", D, EVENT_TPM_GONE},
	{"the same, with a certificate", "failed untold c-other", D, EVENT_TPM_GONE},
	{"w, and no TPM any more", "absent unexpected w blank", U, EVENT_AWAIT},
	{"cut before the commit", "j-init", U, EVENT_CUT_BEFORE},
	{"cut before, TPM gone", "absent unexpected j-init", U, EVENT_AWAIT},
	{"cut after the commit", "w key ours j-init committed", E, EVENT_CUT_AFTER},
	{"normal boot", "w key ours c-keys", E, EVENT_NORMAL},
	{"certificate deleted", "w key ours", E, EVENT_CERTIFICATE_LOST},
	{"persist wiped, or a torn slot", "w key ours c-keys mended", E, EVENT_RECORD_MENDED},
	{"a copy of another, or blank", "w key ours c-keys mended foreign", E,
	 EVENT_RECORD_FOREIGN},
	{"the same, with a software pair", "w key ours c-soft soft mended foreign ask", E,
	 EVENT_RECORD_FOREIGN},
	{"the same, TPM failed", "w key failed c-soft soft mended foreign ask", D, EVENT_TPM_GONE},
	{"the same, TPM absent, not expected, off",
	 "w key absent unexpected off c-soft soft mended foreign", D, EVENT_TPM_GONE},
	{"the same, key gone", "w key gone c-soft soft mended foreign ask", C, EVENT_KEY_GONE},
	{"one copy says that there was one", "w blank failed mended foreign", U,
	 EVENT_RECORD_FOREIGN},
	{"the same, with a software pair", "w blank failed soft c-soft mended foreign", U,
	 EVENT_SOFT_APPEARED},
	{"both copies gone", "ours c-keys", E, EVENT_RECORD_LOST},
	{"all torn", "torn ours c-keys", E, EVENT_RECORD_LOST},
	{"both copies gone, certificate gone", "gone", E, EVENT_FIRST},
	{"both gone, another's certificate", "gone c-other", C, EVENT_KEY_GONE},
	{"a certificate alone, no TPM", "absent unexpected c-other", C, EVENT_CERTIFICATE_STRAY},
	{"the same, approved", "absent unexpected c-other last-c +approve", U, EVENT_ORDER_DISCARD},
	{"the same, a TPM expected", "absent c-other", D, EVENT_TPM_GONE},
	{"the same, torn", "absent unexpected c-other torn", D, EVENT_TPM_GONE},
	{"a key and another's certificate, no TPM", "absent unexpected c-other soft", C,
	 EVENT_CERTIFICATE_STRAY},
	{"soft key appears", "w key ours c-soft soft", E, EVENT_SOFT_APPEARED},
	{"the same, ask", "w key ours c-soft soft ask", S, EVENT_SOFT_ASKED},
	{"the same, approved", "w key ours c-soft soft ask +approve", E, EVENT_ORDER_RESTORE},
	{"a lone key, ask", "w key ours c-keys soft ask", E, EVENT_SOFT_APPEARED},
	{"its key cannot be read, ask", "w key ours c-other s-unreadable ask", S,
	 EVENT_SOFT_UNREADABLE},
	{"the same, renewed", "w key ours c-other s-unreadable ask +renew", S,
	 EVENT_ORDER_UNREADABLE},
	{"the same, not ask", "w key ours c-other s-unreadable", E, EVENT_SOFT_APPEARED},
	{"a lone key that cannot be read, ask", "w key ours c-keys s-unreadable ask", E,
	 EVENT_SOFT_APPEARED},
	{"soft key appears, no TPM", "w key absent c-soft soft ask", D, EVENT_TPM_GONE},
	{"TPM absent", "w key absent", D, EVENT_TPM_GONE},
	{"TPM absent, not expected, off", "w key absent unexpected off", D, EVENT_TPM_GONE},
	{"TPM failed", "w key failed", D, EVENT_TPM_GONE},
	{"it does not tell", "w key unknown", D, EVENT_TPM_GONE},
	{"TPM back", "w key last-d ours c-keys", E, EVENT_NORMAL},
	{"key gone", "w key gone c-keys", C, EVENT_KEY_GONE},
	{"key gone, degraded", "w key last-d gone", C, EVENT_KEY_GONE},
	{"auth.key replaced", "w key denied c-keys", C, EVENT_KEY_DENIED},
	{"the same, a copy of the record is old", "w key denied c-keys mended", C,
	 EVENT_KEY_DENIED},
	{"the same, approved", "w key last-c denied +approve", U, EVENT_ORDER_APPROVE},
	{"the same, renewed", "w key last-c denied +renew", C, EVENT_ORDER_REFUSED},
	{"auth.key is back", "w key last-c ours c-keys", E, EVENT_NORMAL},
	{"the same while a migration waits", "blank soft c-soft denied j-confirm", S,
	 EVENT_CUT_BEFORE},
	{"record unreadable", "r-unreadable ours", D, EVENT_UNREADABLE},
	{"record unreadable, soft key", "r-unreadable soft c-soft", D, EVENT_UNREADABLE},
	{"journal unreadable", "w key ours j-unreadable", D, EVENT_UNREADABLE},
	{"approved", "w key last-c gone +approve", U, EVENT_ORDER_APPROVE},
	{"approved before the TPM is accepted", "w key last-c gone strange +approve", C,
	 EVENT_ORDER_STRANGE},
	{"approved before it was told", "w key gone +approve", C, EVENT_KEY_GONE},
	{"the TPM is back in a conflict", "w key last-c ours c-keys", E, EVENT_NORMAL},
	{"reset", "w key ours j-reset", X, EVENT_RESET},
	{"reset of a software identity", "absent unexpected blank soft c-soft j-reset", X,
	 EVENT_RESET},
	{"reset done", "last-x", U, EVENT_RESET_DONE},
	{"upgrade from old software", "soft c-soft", S, EVENT_SOFT_FOUND},
	{"TPM appears", "absent unexpected blank soft c-soft ok", S, EVENT_NORMAL},
	{"certificate and key deleted", "blank", E, EVENT_FIRST},
	{"software certificate deleted", "absent unexpected blank soft c-soft c-absent", S,
	 EVENT_CERTIFICATE_LOST},
	{"software key deleted", "absent unexpected blank soft c-soft no-soft c-other", C,
	 EVENT_KEY_GONE},
	{"migration", "absent unexpected blank soft c-soft ok +migrate", S, EVENT_ORDER_MIGRATE},
	{"migration without a TPM", "absent unexpected blank soft c-soft +migrate", S,
	 EVENT_ORDER_NO_TPM},
	{"waits", "absent unexpected blank soft c-soft ok ours j-confirm", S, EVENT_CONFIRMING},
	{"confirmed", "absent unexpected blank soft c-soft ok ours j-confirm +confirm", E,
	 EVENT_ORDER_CONFIRM},
	{"taken back", "absent unexpected blank soft c-soft ok ours j-confirm +rollback", S,
	 EVENT_ORDER_ROLLBACK},
	{"confirmed, and the key is gone",
	 "absent unexpected blank soft c-soft ok gone j-confirm +confirm", S, EVENT_CUT_BEFORE},
	{"confirmed, cut after the commit", "w key ours soft c-soft j-confirm committed ask", E,
	 EVENT_CUT_AFTER},
	{"renewed", "w key ours c-keys +renew", E, EVENT_ORDER_RENEW},
	{"renewed while degraded", "w key failed +renew", D, EVENT_ORDER_REFUSED},
	{"a software pair after a conflict", "absent unexpected blank soft c-soft w", U,
	 EVENT_SOFT_APPEARED},
	{"torn, and a software pair", "torn soft c-soft", U, EVENT_SOFT_APPEARED},
	{"the same, ask", "torn soft c-soft ask", U, EVENT_SOFT_APPEARED},
	{"the same without a TPM", "absent unexpected torn soft c-soft", U, EVENT_SOFT_APPEARED},
	{"the same, another certificate, TPM failed", "failed torn soft c-other", D,
	 EVENT_TPM_GONE},
	{"no record, a key of ours in the chip, a software pair", "w soft c-soft", U,
	 EVENT_SOFT_APPEARED},
	{"the same, without the pair, off", "w off", U, EVENT_AWAIT},
	{"torn, and no TPM", "absent unexpected torn", U, EVENT_AWAIT},
};

static void rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		struct identity_facts facts = facts_of(ROWS[i].words);
		enum identity_mode from;
		enum identity_event event;

		identity_classify(&facts, &from, &event);
		if (event != ROWS[i].event || identity_row(from, event)->to != ROWS[i].to)
			print_error("%s: %s\n", ROWS[i].what, identity_event_text(event));
		assert_int_equal(event, ROWS[i].event);
		assert_int_equal(identity_row(from, event)->to, ROWS[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
