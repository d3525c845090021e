/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table, cell by cell, and all facts that there can be: they are few enough to look at each
 * combination. What identity.md calls invariants is held here over all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "identity/state.h"

static bool reached[IDENTITY_MODES][IDENTITY_EVENTS];

static bool does(const struct identity_row *row, enum identity_action action)
{
	for (size_t i = 0; i < IDENTITY_ROW_MAX && row->actions[i] != ACT_NONE; i++)
		if (row->actions[i] == action)
			return true;
	return false;
}

static bool is_order(enum identity_event event)
{
	return event >= EVENT_ORDER_SOFTWARE && event <= EVENT_ORDER_ROLLBACK;
}

/* What makes a private key, or begins one. */
static unsigned makes(const struct identity_row *row)
{
	return (unsigned)does(row, ACT_CREATE) + (unsigned)does(row, ACT_CREATE_BESIDE) +
	       (unsigned)does(row, ACT_MAKE_SOFT);
}

/* A digit of the number that a combination is. */
static unsigned digit(uint64_t *number, unsigned base)
{
	unsigned value = (unsigned)(*number % base);

	*number /= base;
	return value;
}

static const unsigned BASES[] = {IDENTITY_MODES + 1,
				 IDENTITY_TPM_STATES,
				 2,
				 2,
				 RECORD_STATES,
				 2,
				 2,
				 2,
				 2,
				 KEY_STATES,
				 CERTIFICATE_STATES,
				 SOFT_STATES,
				 JOURNAL_STATES,
				 2,
				 IDENTITY_POLICIES,
				 2,
				 2,
				 WISHES};

static uint64_t combinations(void)
{
	uint64_t product = 1;

	for (size_t i = 0; i < ARRAY_LEN(BASES); i++)
		product *= BASES[i];
	return product;
}

static struct identity_facts facts_of(uint64_t n)
{
	const unsigned *base = BASES;
	struct identity_facts f;

	f.last = (enum identity_mode)digit(&n, *base++);
	f.tpm = (enum identity_tpm)digit(&n, *base++);
	f.expected = digit(&n, *base++) != 0;
	f.was = digit(&n, *base++) != 0;
	f.record = (enum state_record)digit(&n, *base++);
	f.mended = digit(&n, *base++) != 0;
	f.foreign = digit(&n, *base++) != 0;
	f.strange = digit(&n, *base++) != 0;
	f.untold = digit(&n, *base++) != 0;
	f.key = (enum state_key)digit(&n, *base++);
	f.certificate = (enum state_certificate)digit(&n, *base++);
	f.soft = (enum state_soft)digit(&n, *base++);
	f.journal = (enum state_journal)digit(&n, *base++);
	f.committed = digit(&n, *base++) != 0;
	f.policy = (enum identity_policy)digit(&n, *base++);
	f.provision = digit(&n, *base++) != 0;
	f.ask = digit(&n, *base++) != 0;
	f.wish = (enum state_wish)digit(&n, *base++);
	return f;
}

/* Did this device have an identity in a TPM, as far as its files tell? */
static bool had_tpm(const struct identity_facts *f)
{
	return f->was || f->record == RECORD_KEY || f->record == RECORD_TORN ||
	       (f->record != RECORD_BLANK && f->soft == SOFT_NONE &&
		f->certificate != CERTIFICATE_ABSENT);
}

struct verdict {
	const struct identity_facts *f;
	enum identity_mode from;
	enum identity_event event;
	const struct identity_row *row;
};

/* --- the invariants: each says whether it holds --- */

static bool cell_is_possible(const struct verdict *v)
{
	return v->row->never == NULL;
}

/* A key of a TPM never becomes one in software, but where a downgrade made one and ask is set. */
static bool never_down(const struct verdict *v)
{
	const struct identity_facts *f = v->f;

	if (v->row->to != IDENTITY_SOFTWARE ||
	    !(f->was || f->record == RECORD_KEY || f->record == RECORD_TORN))
		return true;
	/* What was torn may have said nothing: then it is an operator's word. */
	if (f->record == RECORD_TORN && !f->was && v->event == EVENT_ORDER_SOFTWARE)
		return true;
	if (f->record == RECORD_KEY && f->ask && f->soft == SOFT_UNREADABLE &&
	    f->tpm == IDENTITY_TPM_OK && f->key == KEY_OURS &&
	    f->certificate >= CERTIFICATE_OTHER &&
	    (v->event == EVENT_SOFT_UNREADABLE || v->event == EVENT_ORDER_UNREADABLE))
		return true;
	if (v->event == EVENT_ORDER_UNREADABLE || v->event == EVENT_UNREADABLE)
		return f->last == IDENTITY_SOFTWARE;
	return f->record == RECORD_KEY && f->ask && f->soft == SOFT_THERE &&
	       f->certificate == CERTIFICATE_SOFT && f->tpm == IDENTITY_TPM_OK &&
	       f->key == KEY_OURS &&
	       (v->event == EVENT_SOFT_ASKED || v->event == EVENT_ORDER_ASKED);
}

/* Nobody but an operator makes a software key on a device that had a TPM's identity, and not even
 * he where the record says so. */
static bool no_software_after_tpm(const struct verdict *v)
{
	if (!does(v->row, ACT_MAKE_SOFT))
		return true;
	if (v->f->was || v->f->record == RECORD_KEY)
		return false;
	return !had_tpm(v->f) || v->event == EVENT_ORDER_SOFTWARE;
}

/* Nothing is made, erased or put away while something cannot be read or the reset is under way. */
static bool unreadable_is_not_absent(const struct verdict *v)
{
	const struct identity_facts *f = v->f;

	if (f->record == RECORD_UNREADABLE || f->journal == JOURNAL_UNREADABLE ||
	    f->journal == JOURNAL_RESET ||
	    (f->certificate == CERTIFICATE_UNREADABLE && f->soft == SOFT_NONE &&
	     f->record != RECORD_KEY))
		return v->row->actions[0] == ACT_NONE ||
		       (v->row->actions[0] == ACT_MARK_UNSURE && v->row->actions[1] == ACT_NONE);
	if (f->soft == SOFT_UNREADABLE && makes(v->row) > 0)
		return false;
	if (f->certificate == CERTIFICATE_UNREADABLE)
		return !does(v->row, ACT_CREATE) && !does(v->row, ACT_MAKE_SOFT);
	return true;
}

/* What the chip did not tell is not taken for its absence. */
static bool silent_chip_is_not_empty(const struct verdict *v)
{
	const struct identity_facts *f = v->f;

	if (f->tpm == IDENTITY_TPM_OK && f->key != KEY_UNKNOWN)
		return true;
	if (v->row->to == IDENTITY_CONFLICT)
		return f->last == IDENTITY_CONFLICT || (f->record == RECORD_BLANK && !f->was) ||
		       (f->tpm == IDENTITY_TPM_ABSENT && !f->expected && !f->was &&
			f->record == RECORD_NONE);
	if (f->record == RECORD_KEY)
		return makes(v->row) == 0 && !does(v->row, ACT_BLANK);
	return true;
}

/* Where it might have told of an identity nothing is made, and none in software taken, but by an
 * operator. */
static bool untold_is_not_never(const struct verdict *v)
{
	if (!v->f->untold || v->event == EVENT_ORDER_SOFTWARE)
		return true;
	return makes(v->row) == 0 && !does(v->row, ACT_RECORD_SOFT) &&
	       (v->row->to != IDENTITY_SOFTWARE || v->event == EVENT_SOFT_UNREADABLE ||
		v->event == EVENT_ORDER_UNREADABLE || v->event == EVENT_UNREADABLE);
}

static bool one_identity_at_most(const struct verdict *v)
{
	return makes(v->row) <= 1;
}

/* An identity that is there is not replaced: whatever is made is made where there is none, or
 * beside it by an order. */
static bool none_over_another(const struct verdict *v)
{
	const struct identity_facts *f = v->f;

	if (makes(v->row) == 0 || v->event == EVENT_ORDER_MIGRATE)
		return true;
	return f->record != RECORD_KEY && f->record != RECORD_UNREADABLE && f->soft == SOFT_NONE &&
	       f->certificate == CERTIFICATE_ABSENT;
}

static bool reset_ends_in_u(const struct verdict *v)
{
	if (v->f->last != IDENTITY_RESETTING && v->f->journal != JOURNAL_RESET)
		return v->row->to != IDENTITY_RESETTING;
	if (v->f->journal == JOURNAL_RESET || v->f->journal == JOURNAL_UNREADABLE)
		return v->row->to == IDENTITY_RESETTING;
	return v->row->to == IDENTITY_UNPROVISIONED;
}

/* A degraded device makes, writes and signs nothing but its marker. */
static bool degraded_rests(const struct verdict *v)
{
	const enum identity_action *a = v->row->actions;

	if (v->row->to != IDENTITY_DEGRADED)
		return true;
	return a[0] == ACT_NONE ||
	       ((a[0] == ACT_MARK || a[0] == ACT_MARK_UNSURE) && a[1] == ACT_NONE);
}

static bool chip_is_used_where_it_serves(const struct verdict *v)
{
	static const enum identity_action actions[] = {ACT_CREATE, ACT_CREATE_BESIDE, ACT_PERSIST,
						       ACT_PROVE,  ACT_EVICT,	      ACT_REBUILD,
						       ACT_ADOPT,  ACT_CERTIFY};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (does(v->row, actions[i]) && v->f->tpm != IDENTITY_TPM_OK)
			return false;
	return true;
}

/* Orders are done when there is one, and an order is done, refused, or follows a mending. */
static bool orders_are_heard(const struct verdict *v)
{
	if (v->f->wish == WISH_NONE)
		return !is_order(v->event) && v->row->refuse == 0;
	return is_order(v->event) || v->row->refuse != 0 || v->row->again ||
	       v->event == EVENT_FIRST || v->event == EVENT_FIRST_SOFTWARE ||
	       ((v->event == EVENT_KEY_GONE || v->event == EVENT_KEY_DENIED ||
		 v->event == EVENT_CERTIFICATE_STRAY) &&
		v->f->last != IDENTITY_CONFLICT);
}

/* From one event to the other it goes on towards an end: what is mended is not to be mended again.
 */
static bool waits_or_goes_on(const struct verdict *v)
{
	return !(v->row->again && v->row->retry);
}

static bool enabled_takes_the_key(const struct verdict *v)
{
	if (v->row->to != IDENTITY_ENABLED)
		return true;
	return v->event == EVENT_FIRST || (v->f->tpm == IDENTITY_TPM_OK && v->f->key == KEY_OURS);
}

/* Nothing is given up for a key in a chip in which none can be made. */
static bool strange_chip_is_left(const struct verdict *v)
{
	return !v->f->strange || v->f->policy == IDENTITY_OFF || !does(v->row, ACT_BLANK);
}

/* Without a TPM it is given up only where nothing says that there was one. */
static bool stray_is_without_tpm(const struct verdict *v)
{
	const struct identity_facts *f = v->f;

	if (v->event != EVENT_CERTIFICATE_STRAY && v->event != EVENT_ORDER_DISCARD)
		return true;
	return f->tpm == IDENTITY_TPM_ABSENT && !f->expected && !f->was && f->record == RECORD_NONE;
}

static bool provision_is_asked(const struct verdict *v)
{
	if (v->f->provision || v->f->wish != WISH_NONE)
		return true;
	return makes(v->row) == 0;
}

static const struct {
	const char *name;
	bool (*holds)(const struct verdict *v);
} INVARIANTS[] = {
	{"cell is possible", cell_is_possible},
	{"no way from a TPM down to software", never_down},
	{"no software key after a TPM's", no_software_after_tpm},
	{"unreadable is not absent", unreadable_is_not_absent},
	{"a silent chip is not an empty one", silent_chip_is_not_empty},
	{"what the chip did not tell may be", untold_is_not_never},
	{"one event, one identity", one_identity_at_most},
	{"no identity over another", none_over_another},
	{"a reset ends in U only", reset_ends_in_u},
	{"degraded makes nothing", degraded_rests},
	{"no chip, no use of it", chip_is_used_where_it_serves},
	{"orders are heard", orders_are_heard},
	{"again or later", waits_or_goes_on},
	{"enabled takes the key", enabled_takes_the_key},
	{"nothing is given up for a strange chip", strange_chip_is_left},
	{"a stray certificate is without a TPM", stray_is_without_tpm},
	{"nothing is made unasked", provision_is_asked},
};

static void print_facts(const struct verdict *v, const char *name)
{
	const struct identity_facts *f = v->f;

	print_error(
		"%s: last %d tpm %d expected %d was %d record %d mended %d foreign %d strange %d "
		"untold %d key %d "
		"cert %d soft "
		"%d journal %d committed %d policy %d provision %d ask %d wish %d: %d, %s\n",
		name, f->last, f->tpm, f->expected, f->was, f->record, f->mended, f->foreign,
		f->strange, f->untold, f->key, f->certificate, f->soft, f->journal, f->committed,
		f->policy, f->provision, f->ask, f->wish, v->from, identity_event_text(v->event));
}

/* What no gathering finds together, and no event looks at. */
static bool is_redundant(const struct identity_facts *f)
{
	bool half_made = state_journal_half_made(f->journal);

	return (f->mended && f->record != RECORD_BLANK && f->record != RECORD_KEY) ||
	       (f->foreign && (!f->mended || !f->was)) ||
	       (f->strange && (f->tpm != IDENTITY_TPM_OK || f->wish != WISH_APPROVE)) ||
	       (f->committed && (f->record != RECORD_KEY || !half_made)) ||
	       (f->untold && (f->tpm != IDENTITY_TPM_FAILED || f->was || half_made ||
			      (f->record != RECORD_NONE && f->record != RECORD_TORN))) ||
	       (f->key != KEY_UNKNOWN && f->tpm != IDENTITY_TPM_OK);
}

static void all_facts(void **state)
{
	uint64_t count = combinations();

	(void)state;
	for (uint64_t n = 0; n < count; n++) {
		struct identity_facts f = facts_of(n);
		struct verdict v = {.f = &f};

		if (is_redundant(&f))
			continue;
		identity_classify(&f, &v.from, &v.event);
		v.row = identity_row(v.from, v.event);
		reached[v.from][v.event] = true;
		for (size_t i = 0; i < ARRAY_LEN(INVARIANTS); i++) {
			if (INVARIANTS[i].holds(&v))
				continue;
			print_facts(&v, INVARIANTS[i].name);
			fail();
		}
	}
}

/* After all_facts(): each cell is reached or says that it cannot be, and why. */
static void all_cells(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++) {
		for (unsigned m = 0; m < IDENTITY_MODES; m++) {
			const struct identity_row *row =
				identity_row((enum identity_mode)m, (enum identity_event)e);

			if (reached[m][e] != (row->never == NULL)) {
				print_error("%s: %s is %sreached\n",
					    identity_mode_name((enum identity_mode)m),
					    identity_event_text((enum identity_event)e),
					    reached[m][e] ? "" : "not ");
				wrong++;
			}
			if (row->never) {
				assert_true(strlen(row->never) > 0);
				continue;
			}
			assert_non_null(row->reason);
			/* What is refused changes nothing. */
			if (row->refuse)
				assert_true(row->actions[0] == ACT_NONE && !row->again);
			assert_true(row->refuse <= 0);
		}
	}
	assert_int_equal(wrong, 0);
}

/* The order in which a row does things is what a power cut at any point is survived by. */
static void order_of_actions(void **state)
{
	static const struct {
		enum identity_action first, then;
	} ORDERS[] = {
		{ACT_CREATE, ACT_PERSIST},
		{ACT_CREATE_BESIDE, ACT_PERSIST},
		{ACT_PERSIST, ACT_PROVE},
		{ACT_PROVE, ACT_CERTIFY},
		{ACT_CERTIFY, ACT_COMMIT},
		{ACT_COMMIT, ACT_WRITE_CERTIFICATE},
		{ACT_ADOPT, ACT_WRITE_CERTIFICATE},
		{ACT_WRITE_CERTIFICATE, ACT_ERASE_SOFT},
		{ACT_WRITE_CERTIFICATE, ACT_MARK},
		{ACT_ERASE_SOFT, ACT_END_JOURNAL},
		{ACT_MARK, ACT_END_JOURNAL},
		{ACT_EVICT, ACT_END_JOURNAL},
		{ACT_MAKE_SOFT, ACT_SOFT_CERTIFICATE},
		{ACT_SOFT_CERTIFICATE, ACT_RECORD_SOFT},
		{ACT_RETIRE_CERTIFICATE, ACT_BLANK},
		{ACT_KEEP_CERTIFICATE, ACT_WRITE_CERTIFICATE},
		{ACT_KEEP_RECORDED, ACT_COMMIT},
		{ACT_KEEP_CERTIFICATE, ACT_SOFT_CERTIFICATE},
	};

	(void)state;
	for (unsigned e = 0; e < IDENTITY_EVENTS * IDENTITY_MODES; e++) {
		const struct identity_row *row =
			identity_row((enum identity_mode)(e % IDENTITY_MODES),
				     (enum identity_event)(e / IDENTITY_MODES));

		for (size_t i = 0; i < ARRAY_LEN(ORDERS); i++) {
			bool then = false;

			for (size_t a = 0; a < IDENTITY_ROW_MAX; a++) {
				then = then || row->actions[a] == ORDERS[i].then;
				assert_false(then && row->actions[a] == ORDERS[i].first);
			}
		}
		/* What is going to be there again is never absent in between. */
		for (size_t a = 0; a + 1 < IDENTITY_ROW_MAX; a++)
			if (row->actions[a] == ACT_RETIRE_CERTIFICATE)
				assert_true(row->actions[a + 1] != ACT_WRITE_CERTIFICATE &&
					    row->actions[a + 1] != ACT_SOFT_CERTIFICATE);
		/* A record comes before what needs it, and nothing follows the journal's end. */
		for (size_t a = 0; a + 1 < IDENTITY_ROW_MAX; a++)
			if (row->actions[a] == ACT_END_JOURNAL)
				assert_true(row->actions[a + 1] == ACT_NONE);
	}
}

static void names(void **state)
{
	static const char *const words[] = {"unprovisioned", "software",  "enabled",
					    "degraded",	     "resetting", "conflict"};

	(void)state;
	for (unsigned m = 0; m < IDENTITY_MODES; m++)
		assert_string_equal(identity_mode_name((enum identity_mode)m), words[m]);
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++)
		assert_true(strlen(identity_event_text((enum identity_event)e)) > 0);
	for (unsigned a = 0; a < IDENTITY_ACTIONS; a++)
		assert_true(strlen(identity_action_text((enum identity_action)a)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_facts),
		cmocka_unit_test(all_cells),
		cmocka_unit_test(order_of_actions),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
