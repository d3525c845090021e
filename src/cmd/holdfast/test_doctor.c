/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor makes of facts: each fault changes one thing of a machine that is well. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/doctor.h"

#define STATUS(provider, more)                                                                     \
	"{\"version\":\"1.2\",\"provider\":\"" provider "\",\"reason\":\"why\"," more "}"
#define TPM(fault, manager, lockout)                                                               \
	"\"tpm\":{\"manufacturer\":\"ACME\",\"firmware\":\"7\",\"tcti\":\"device:/dev/tpm0\","     \
	"\"fault\":" fault ",\"resource_manager\":\"" manager "\",\"lockout\":" lockout "}"
#define CALM	 "{\"counter\":0,\"max\":32,\"in_lockout\":false}"
#define GOOD_TPM TPM("null", "none", CALM)
#define WELL	 STATUS("tpm", GOOD_TPM)
#define KEY	 "\"key\":{\"type\":\"ecc-p256\"}"
#define CERTIFICATE(problem, not_after, own)                                                       \
	"\"certificate\":{\"problem\":" problem ",\"not_after\":" not_after                        \
	",\"self_signed\":" own "}"
#define DEVICE(mode, more) "{\"mode\":\"" mode "\",\"reason\":\"because\"," KEY "," more "}"
#define GOOD_CERTIFICATE   CERTIFICATE("null", "1800000000", "true")
#define FAPI(object)	   STATUS("tpm", GOOD_TPM ",\"fapi\":" object)

static void well(struct doctor_facts *facts, const char *status)
{
	struct err err;

	*facts = (struct doctor_facts){
		.socket = {.path = "/run/s", .group = "holdfast", .is_member = true},
		.version = "1.2",
		.process = {.known = true,
			    .user = "holdfast",
			    .memory_known = true,
			    .locked_kib = 128},
		.nodes = {{.path = "/dev/tpm0",
			   .exists = true,
			   .is_device = true,
			   .mode = 0660,
			   .owner = "tss",
			   .group = "root",
			   .service = DOCTOR_MAY},
			  {.path = "/dev/tpmrm0",
			   .exists = true,
			   .is_device = true,
			   .mode = 0660,
			   .owner = "tss",
			   .group = "tss",
			   .service = DOCTOR_MAY}},
		.now = INT64_C(1790000000),
		.synchronised = true,
	};
	if (status)
		assert_int_equal(json_parse(slice_str(status), &facts->status, &err), 0);
}

/* Faults that are no part of the status. */
static void not_listening(struct doctor_facts *f)
{
	f->socket.errnum = ECONNREFUSED;
}

static void no_socket(struct doctor_facts *f)
{
	f->socket.errnum = ECONNREFUSED;
	f->socket.is_other = true;
}

static void absent(struct doctor_facts *f)
{
	f->socket.errnum = ENOENT;
}

static void stranger(struct doctor_facts *f)
{
	f->socket.errnum = EACCES;
	f->socket.is_member = false;
}

static void old_session(struct doctor_facts *f)
{
	stranger(f);
	f->socket.is_listed = true;
}

static void closed_folder(struct doctor_facts *f)
{
	f->socket.errnum = EACCES;
}

static void no_group(struct doctor_facts *f)
{
	f->socket.errnum = EACCES;
	f->socket.group[0] = '\0';
}

static void strange_errno(struct doctor_facts *f)
{
	f->socket.errnum = EAGAIN;
}

static void answer(struct doctor_answer *answer, int code, const char *text)
{
	answer->code = code;
	memcpy(answer->text, text, strlen(text) + 1);
	memcpy(answer->remedy, "do", 3);
}

static void no_status(struct doctor_facts *f)
{
	answer(&f->status_call, ERR_TIMEOUT, "late");
}

static void other_release(struct doctor_facts *f)
{
	f->version = "1.3";
}

static void unused(struct doctor_facts *f)
{
	answer(&f->random_call, ERR_TPM_LOCKOUT, "no use");
}

static void changed(struct doctor_facts *f)
{
	answer(&f->random_call, ERR_TPM_CHANGED, "another");
}

static void forbidden(struct doctor_facts *f)
{
	answer(&f->random_call, ERR_FORBIDDEN, "right");
}

static void no_nodes(struct doctor_facts *f)
{
	f->nodes[0].exists = f->nodes[1].exists = false;
}

static void open_node(struct doctor_facts *f)
{
	f->nodes[1].mode = 0666;
}

static void shut_node(struct doctor_facts *f)
{
	f->nodes[0].service = DOCTOR_MAY_NOT;
}

static void false_node(struct doctor_facts *f)
{
	f->nodes[0].is_device = false;
}

static void unlocked(struct doctor_facts *f)
{
	f->process.locked_kib = 0;
}

static void early(struct doctor_facts *f)
{
	f->now = 86400;
}

static void adrift(struct doctor_facts *f)
{
	f->synchronised = false;
}

/* The identity: what is wrong is the answer that tells of it. */
static const struct {
	const char *device;
	const char *row; /* NULL = none but good ones */
	enum finding_state state;
	const char *found;
	const char *remedy; /* NULL = there is none */
} DEVICES[] = {
	{DEVICE("enabled", GOOD_CERTIFICATE), NULL, FINDING_OK, NULL, NULL},
	{DEVICE("software", GOOD_CERTIFICATE), "identity", FINDING_INFO, "in a file", NULL},
	{"{\"mode\":\"unprovisioned\",\"key\":null,\"certificate\":null}", "identity", FINDING_WARN,
	 "no identity", "device init"},
	{DEVICE("degraded", GOOD_CERTIFICATE), "identity", FINDING_FAIL, "serve now; because",
	 "TPM"},
	{DEVICE("conflict", GOOD_CERTIFICATE), "identity", FINDING_FAIL,
	 "conflict:", "device approve"},
	{DEVICE("resetting", GOOD_CERTIFICATE), "identity", FINDING_WARN, "erasing", "again"},
	{DEVICE("later", GOOD_CERTIFICATE), "identity", FINDING_INFO, "does not know", NULL},
	{DEVICE("enabled", GOOD_CERTIFICATE ",\"alarm\":\"a soft key appeared\""), "identity-alarm",
	 FINDING_WARN, "a soft key appeared", "log"},
	{DEVICE("enabled", GOOD_CERTIFICATE ",\"tpm_available\":true"), "soft-key", FINDING_WARN,
	 "though there is a TPM", "device migrate"},
	{DEVICE("enabled", GOOD_CERTIFICATE ",\"tpm_available\":true,\"confirming\":true"),
	 "migration", FINDING_INFO, "not confirmed", "--rollback"},
	{DEVICE("enabled", GOOD_CERTIFICATE ",\"marker_lost\":true"), "tpm-in-use", FINDING_INFO,
	 "deleted or edited", NULL},
	{DEVICE("enabled", "\"certificate\":null"), "certificate", FINDING_WARN, "none",
	 "device renew"},
	{DEVICE("enabled", CERTIFICATE("\"not_yet_valid\"", "1800000000", "true")), "certificate",
	 FINDING_FAIL, "not yet valid", "clock"},
	{DEVICE("enabled", CERTIFICATE("\"expired\"", "1700000000", "true")), "certificate",
	 FINDING_FAIL, "expired", "device renew"},
	{DEVICE("enabled", CERTIFICATE("\"expired\"", "1700000000", "false")), "certificate",
	 FINDING_FAIL, "expired", "install-cert"},
	{DEVICE("enabled", CERTIFICATE("null", "1792592000", "true")), NULL, FINDING_OK, NULL,
	 NULL},
	{DEVICE("enabled", CERTIFICATE("null", "1792591999", "true")), "certificate", FINDING_WARN,
	 "in 29 days, on 2026-10-21", "device renew"},
	{DEVICE("enabled", CERTIFICATE("null", "1792591999", "false")), "certificate", FINDING_WARN,
	 "in 29 days", "device csr"},
	{DEVICE("enabled", CERTIFICATE("null", "1700000000", "true")), "certificate", FINDING_FAIL,
	 "it ended on 2023-", "device renew"},
	{DEVICE("enabled", CERTIFICATE("null", "-9223372036854775807", "true")), "certificate",
	 FINDING_FAIL, "an unknown time", "device renew"},
	{DEVICE("enabled", CERTIFICATE("null", "9223372036854775807", "true")), NULL, FINDING_OK,
	 NULL, NULL},
	/* What is no such object says nothing, or little. */
	{"{}", "identity", FINDING_INFO, "does not know", NULL},
	{"{\"mode\":[],\"certificate\":7,\"key\":\"x\",\"alarm\":1}", "identity", FINDING_INFO,
	 "does not know", NULL},
	{DEVICE("enabled", "\"certificate\":{\"problem\":7,\"not_after\":\"x\"}"), NULL, FINDING_OK,
	 NULL, NULL},
};

/* One row is looked for; the others must be those of a machine that is well, unless @more. */
static const struct {
	const char *status; /* NULL = none */
	void (*change)(struct doctor_facts *facts);
	const char *row;
	enum finding_state state;
	const char *found;  /* in it */
	const char *remedy; /* in it; NULL = there is none */
	bool more;
} CASES[] = {
	{NULL, absent, "socket", FINDING_FAIL, "there is no /run/s", "Start holdfastd", false},
	{NULL, not_listening, "socket", FINDING_FAIL, "nobody listens", "log", false},
	{NULL, no_socket, "socket", FINDING_FAIL, "is no socket", "--socket", false},
	{NULL, stranger, "socket", FINDING_FAIL, "this user is not", "usermod -aG holdfast", false},
	{NULL, old_session, "socket", FINDING_FAIL, "this session is not", "Log in again", false},
	{NULL, closed_folder, "socket", FINDING_FAIL, "folder is closed", "chmod", false},
	{NULL, no_group, "socket", FINDING_FAIL, "may not be opened", "root", false},
	{NULL, strange_errno, "socket", FINDING_FAIL, "cannot connect", "holdfastd", false},
	{NULL, no_status, "service", FINDING_FAIL, "timeout: late", "do", false},
	{WELL, other_release, "service", FINDING_WARN, "release 1.2 and this program of 1.3",
	 "Restart", false},
	{WELL, unused, "use", FINDING_FAIL, "tpm_lockout: no use", "do", false},
	{WELL, changed, "use", FINDING_FAIL, "tpm_changed", "holdfast tpm accept", false},
	{WELL, forbidden, "use", FINDING_INFO, "not tried", NULL, false},
	{STATUS("legacy", "\"tpm\":null"), NULL, "provider", FINDING_WARN,
	 "software, though this machine has a TPM: why", "SECURITY_PROVIDER", false},
	{STATUS("legacy", "\"tpm\":null"), no_nodes, "provider", FINDING_INFO, "software: why",
	 NULL, true},
	{STATUS("legacy", "\"tpm\":null"), no_nodes, "device", FINDING_INFO, "no /dev/tpm0",
	 "firmware", true},
	{WELL, no_nodes, "device", FINDING_INFO, "no /dev/tpmrm0", NULL, false},
	{STATUS("none", "\"tpm\":null"), NULL, "provider", FINDING_FAIL, "none: why", "reachable",
	 false},
	{STATUS("deciding", "\"tpm\":null"), NULL, "provider", FINDING_WARN, "being chosen",
	 "again", false},
	{STATUS("legacy", "\"tpm\":null"), shut_node, "device-tpm0", FINDING_WARN,
	 "user holdfast may not open it", "usermod -aG root holdfast", true},
	{WELL, shut_node, "device-tpm0", FINDING_INFO, "may not open it", NULL, false},
	{WELL, open_node, "device-tpmrm0", FINDING_WARN, "tss:tss 0666: everybody", "udev", false},
	{WELL, false_node, "device-tpm0", FINDING_FAIL, "no device", "Remove", false},
	{STATUS("tpm", TPM("\"tpm_failed\"", "none", CALM)), NULL, "tpm", FINDING_FAIL,
	 "does not serve: tpm_failed", "restart", false},
	{STATUS("tpm", TPM("\"tpm_changed\"", "none", CALM)), NULL, "tpm", FINDING_FAIL,
	 "tpm_changed", "holdfast tpm accept", false},
	{STATUS("tpm", TPM("null", "kernel", CALM)), NULL, "resource-manager", FINDING_INFO,
	 "costs the chip more", "device:/dev/tpm0", false},
	{STATUS("tpm", TPM("null", "unknown", CALM)), NULL, "resource-manager", FINDING_INFO,
	 "others may use", NULL, false},
	{STATUS("tpm", TPM("null", "none", "{\"counter\":32,\"max\":32,\"in_lockout\":true}")),
	 NULL, "lockout", FINDING_FAIL, "32 of 32", "tpm2_dictionarylockout --clear-lockout",
	 false},
	{STATUS("tpm", TPM("null", "none", "{\"counter\":17,\"max\":32,\"in_lockout\":false}")),
	 NULL, "lockout", FINDING_WARN, "17 of 32", "lockout_auth_file", false},
	{STATUS("tpm", TPM("null", "none", "{\"counter\":1,\"max\":32,\"in_lockout\":false}")),
	 NULL, "lockout", FINDING_INFO, "1 of 32", NULL, false},
	{STATUS("tpm", TPM("null", "none", "null")), NULL, "lockout", FINDING_INFO, "did not tell",
	 NULL, false},
	{STATUS("tpm", TPM("null", "none",
			   "{\"counter\":0,\"max\":32,\"in_lockout\":false,"
			   "\"password_refused\":true}")),
	 NULL, "lockout-password", FINDING_WARN, "refused", "lockout_auth_file", false},
	{FAPI("{\"probe\":\"failed\",\"detail\":\"Fapi_Initialize\"}"), NULL, "fapi", FINDING_WARN,
	 "Fapi_Initialize", "holdfast fapi probe", false},
	{FAPI("{\"probe\":\"failed\",\"detail\":null}"), NULL, "fapi", FINDING_WARN, "log",
	 "holdfast fapi probe", false},
	{FAPI("{\"probe\":\"off\",\"detail\":null}"), NULL, "fapi", FINDING_INFO, "probe is off",
	 NULL, false},
	{FAPI("{\"probe\":\"succeeded\",\"detail\":\"P_X\"}"), NULL, "fapi", FINDING_OK,
	 "reaches the TPM: P_X", NULL, false},
	{FAPI("{\"probe\":\"succeeded\"}"), NULL, "fapi", FINDING_OK, "reaches the TPM", NULL,
	 false},
	{WELL, unlocked, "memory-lock", FINDING_WARN, "swapped out", "LimitMEMLOCK", false},
	{WELL, early, "clock", FINDING_WARN, "1970-01-02", "time service", false},
	{WELL, adrift, "clock", FINDING_INFO, "no time service", NULL, false},
};

static const struct finding *find(const struct findings *report, const char *name)
{
	size_t i;

	for (i = 0; i < report->count; i++)
		if (strcmp(report->rows[i].id, name) == 0)
			return &report->rows[i];
	return NULL;
}

static size_t not_ok(const struct findings *report)
{
	size_t i, count = 0;

	for (i = 0; i < report->count; i++)
		count += report->rows[i].state != FINDING_OK;
	return count;
}

static unsigned seen[100];

/* Each id is one that is documented for this verb. */
static void assert_ids(const struct findings *findings)
{
	const struct finding_kind *kinds;
	size_t i, k, count;

	kinds = finding_kinds(&count);
	assert_true(count <= ARRAY_LEN(seen));
	for (i = 0; i < findings->count; i++) {
		for (k = 0; k < count && strcmp(kinds[k].id, findings->rows[i].id) != 0; k++)
			continue;
		assert_true(k < count);
		assert_true(kinds[k].by & FINDING_BY_DOCTOR);
		seen[k]++;
	}
}

/* After all others: each id that is documented for this verb was there. */
static void test_ids(void **state)
{
	const struct finding_kind *kinds;
	size_t i, count;

	(void)state;
	kinds = finding_kinds(&count);
	for (i = 0; i < count; i++)
		if ((kinds[i].by & FINDING_BY_DOCTOR) && !seen[i])
			fail_msg("no case has %s", kinds[i].id);
}

static void check_case(size_t i)
{
	struct doctor_facts facts;
	struct findings report;
	const struct finding *row;

	well(&facts, CASES[i].status);
	if (CASES[i].change)
		CASES[i].change(&facts);
	doctor_judge(&facts, &report);
	assert_ids(&report);
	row = find(&report, CASES[i].row);
	if (!row || row->state != CASES[i].state || !strstr(row->found, CASES[i].found))
		print_error("case %zu: %s\n", i, row ? row->found : "no row");
	if (!row) {
		fail();
		return;
	}
	assert_int_equal(row->state, CASES[i].state);
	assert_non_null(strstr(row->found, CASES[i].found));
	if (CASES[i].remedy)
		assert_non_null(strstr(row->remedy, CASES[i].remedy));
	else
		assert_string_equal(row->remedy, "");
	if (!CASES[i].more)
		assert_int_equal(not_ok(&report), CASES[i].state == FINDING_OK ? 0 : 1);
	doctor_facts_fini(&facts);
}

static void check_device(size_t i)
{
	struct doctor_facts facts;
	struct findings report;
	const struct finding *row;
	struct err err;

	well(&facts, WELL);
	assert_int_equal(json_parse(slice_str(DEVICES[i].device), &facts.device, &err), 0);
	doctor_judge(&facts, &report);
	assert_ids(&report);
	assert_non_null(find(&report, "identity"));
	assert_int_equal(not_ok(&report), DEVICES[i].row ? 1 : 0);
	row = DEVICES[i].row ? find(&report, DEVICES[i].row) : NULL;
	if (DEVICES[i].row &&
	    (!row || row->state != DEVICES[i].state || !strstr(row->found, DEVICES[i].found)))
		print_error("device %zu: %s\n", i, row ? row->found : "no row");
	if (row) {
		assert_int_equal(row->state, DEVICES[i].state);
		assert_non_null(strstr(row->found, DEVICES[i].found));
		assert_non_null(strstr(row->remedy, DEVICES[i].remedy ? DEVICES[i].remedy : ""));
		assert_int_equal(row->remedy[0] != '\0', DEVICES[i].remedy != NULL);
	} else {
		assert_null(DEVICES[i].row);
	}
	doctor_facts_fini(&facts);
}

static void test_devices(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(DEVICES); i++)
		check_device(i);
}

static void test_faults(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		check_case(i);
}

static void test_well(void **state)
{
	static const char *const ROWS[] = {
		"socket",      "service",	"provider", "use",
		"device-tpm0", "device-tpmrm0", "tpm",	    "resource-manager",
		"lockout",     "memory-lock",	"clock",
	};
	struct doctor_facts facts;
	struct findings report;
	size_t i;

	(void)state;
	well(&facts, WELL);
	doctor_judge(&facts, &report);
	assert_true(doctor_on_chip(&facts));
	assert_int_equal(report.count, ARRAY_LEN(ROWS));
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		assert_string_equal(report.rows[i].id, ROWS[i]);
		assert_int_equal(report.rows[i].state, FINDING_OK);
		assert_string_equal(report.rows[i].remedy, "");
	}
	doctor_facts_fini(&facts);
}

/* A service of another release, or none at all, may leave out and put in what it likes. */
static void test_strange_status(void **state)
{
	static const char *const STATUSES[] = {
		"{}",
		"{\"provider\":7,\"tpm\":\"x\",\"version\":null}",
		"{\"provider\":\"tpm\",\"tpm\":{}}",
		"{\"provider\":\"tpm\",\"tpm\":{\"fault\":\"new\",\"lockout\":[]},\"fapi\":[]}",
		"{\"provider\":\"tpm\",\"tpm\":{\"lockout\":{\"counter\":\"x\"}},\"fapi\":{}}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(STATUSES); i++) {
		struct doctor_facts facts;
		struct findings report;

		well(&facts, STATUSES[i]);
		doctor_judge(&facts, &report);
		assert_non_null(find(&report, "provider"));
		assert_in_range(report.count, 1, FINDINGS_MAX - 1);
		doctor_facts_fini(&facts);
	}
}

/* The process of the service could not be looked at: nothing is said of it. */
static void test_unknown_process(void **state)
{
	struct doctor_facts facts;
	struct findings report;

	(void)state;
	well(&facts, WELL);
	facts.process = (struct doctor_process){0};
	facts.nodes[0].service = facts.nodes[1].service = DOCTOR_MAY_UNKNOWN;
	doctor_judge(&facts, &report);
	assert_null(find(&report, "memory-lock"));
	assert_int_equal(not_ok(&report), 0);
	doctor_facts_fini(&facts);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_strange_status),
		cmocka_unit_test(test_unknown_process),
		cmocka_unit_test(test_ids),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
