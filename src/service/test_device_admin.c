/* SPDX-License-Identifier: Apache-2.0 */
/* What the administrator asks of the device's identity, with the part that keeps it played. */
#include <stdio.h>
#include <string.h>

#include "crypto/x509.h"
#include "service/test_identity.h"

#define AT "/v1/admin/device/"

static struct {
	struct fixture *fixture;
	int fails_at_once; /* enum err_code */
	int fails_later;
	bool waits; /* the test says when it is done */
	const char *why;
	unsigned asked;
	struct identity_order order;
	char pem[64];	     /* of the order, or of its first name */
	const char *answers; /* a PEM */
	struct service_reset reset;
	void (*ordered)(void *op, struct slice pem, const struct err *err);
	void (*begun)(void *op, const struct err *err);
	void *op;
	struct loop_timer later;
} keeper;

static void answer_later(void *arg)
{
	struct err err;

	(void)arg;
	if (keeper.fails_later)
		(void)err_set(&err, keeper.fails_later, "%s", keeper.why);
	else
		use_view(keeper.fixture, IDENTITY_ENABLED);
	if (keeper.begun) {
		TAKE(keeper.begun)(keeper.op, keeper.fails_later ? &err : NULL);
		return;
	}
	TAKE(keeper.ordered)
	(keeper.op, slice_str(keeper.answers ? keeper.answers : ""),
	 keeper.fails_later ? &err : NULL);
}

static int begin(void *arg, void *op, struct err *err)
{
	assert_ptr_equal(arg, &keeper);
	keeper.asked++;
	if (keeper.fails_at_once)
		return err_set(err, keeper.fails_at_once, "not now");
	keeper.op = op;
	return keeper.waits ? 0 : loop_timer_set(&keeper.later, 0, err);
}

static int order(void *arg, const struct identity_order *asked,
		 void (*done)(void *op, struct slice pem, const struct err *err), void *op,
		 struct err *err)
{
	struct slice text = asked->name_count > 0 ? asked->names[0].text : asked->pem;

	keeper.order = *asked;
	(void)snprintf(keeper.pem, sizeof(keeper.pem), "%.*s", (int)text.len,
		       text.data ? (const char *)text.data : "");
	keeper.ordered = done;
	keeper.begun = NULL;
	return begin(arg, op, err);
}

static int reset(void *arg, const struct service_reset *asked,
		 void (*done)(void *op, const struct err *err), void *op, struct err *err)
{
	keeper.reset = *asked;
	keeper.begun = done;
	return begin(arg, op, err);
}

static void use_keeper(struct fixture *fixture)
{
	memset(&keeper, 0, sizeof(keeper));
	keeper.fixture = fixture;
	keeper.why = "no chip";
	loop_timer_init(&keeper.later, fixture->loop, answer_later, NULL);
	service_set_admin(fixture->service,
			  &(struct service_admin){.device = order, .reset = reset, .arg = &keeper});
}

/* --- orders --- */

static const struct {
	const char *path, *body;
	enum identity_wish wish;
	const char *pem;
} ORDERS[] = {
	{AT "init", "{}", IDENTITY_INIT, ""},
	{AT "init", "{\"software\":false}", IDENTITY_INIT, ""},
	{AT "approve", "{}", IDENTITY_APPROVE, ""},
	{AT "renew", "{}", IDENTITY_RENEW, ""},
	{AT "certificate", "{\"pem\":\"a\\nb\"}", IDENTITY_INSTALL, "a\nb"},
	{AT "migrate", "{\"step\":\"begin\"}", IDENTITY_MIGRATE, ""},
	{AT "migrate", "{\"step\":\"confirm\"}", IDENTITY_CONFIRM, ""},
	{AT "migrate", "{\"step\":\"rollback\"}", IDENTITY_ROLLBACK, ""},
};

/* Also where nothing is settled and no provider is there: that may be what they mend. */
static void orders(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	use_keeper(fixture);
	for (i = 0; i < ARRAY_LEN(ORDERS); i++) {
		service_set_identity(fixture->service, NULL);
		if (ask(fixture, "POST", ORDERS[i].path, ORDERS[i].body) != 200)
			fail_msg("row %zu: %s", i, fixture->answer);
		answer_has(fixture, "{\"mode\":\"degraded\",\"since\":"); /* there is no provider */
		answer_has(fixture, "\"handle\":\"0x81000100\"");
		assert_int_equal(keeper.order.wish, ORDERS[i].wish);
		assert_false(keeper.order.software);
		assert_string_equal(keeper.pem, ORDERS[i].pem);
	}
	use_chip(fixture);
	assert_int_equal(ask(fixture, "POST", AT "init", "{\"software\":true}"), 200);
	answer_has(fixture, "{\"mode\":\"enabled\",\"since\":");
	assert_true(keeper.order.software);
	assert_int_equal(keeper.asked, ARRAY_LEN(ORDERS) + 1);
}

static void requests(void **state)
{
	struct fixture *fixture = *state;

	use_keeper(fixture);
	keeper.answers = "-----BEGIN CERTIFICATE REQUEST-----\n";
	assert_int_equal(ask(fixture, "POST", AT "certificate-request", "{}"), 200);
	answer_has(fixture, "{\"pem\":\"-----BEGIN CERTIFICATE REQUEST-----\\n\","
			    "\"protection\":\"tpm\"}");
	assert_int_equal(keeper.order.wish, IDENTITY_REQUEST);
	assert_int_equal(keeper.order.subject.len, 0);
	assert_int_equal(keeper.order.name_count, 0);
	assert_int_equal(ask(fixture, "POST", AT "certificate-request",
			     "{\"subject\":\"CN=a\",\"dns\":[\"b.c\"],\"uri\":[\"d:e\"]}"),
			 200);
	assert_int_equal(keeper.order.subject.len, 4);
	assert_int_equal(keeper.order.name_count, 2);
	assert_string_equal(keeper.pem, "b.c");
	/* Which member was wrong is told, though whoever makes the request knows of none. */
	keeper.fails_later = ERR_INVALID;
	keeper.why = "is no name";
	assert_int_equal(ask(fixture, "POST", AT "certificate-request",
			     "{\"subject\":\"CN=a\",\"dns\":[\"b.c\",\"d e\"]}"),
			 400);
	answer_has(fixture, "\"detail\":\"/dns/1: ");
	assert_int_equal(ask(fixture, "POST", AT "certificate-request", "{\"subject\":\"CN\"}"),
			 400);
	answer_has(fixture, "\"detail\":\"/subject: is no name\"");
	assert_int_equal(ask(fixture, "POST", AT "certificate-request", "{}"), 400);
	answer_has(fixture, "\"detail\":\"is no name\"");
	/* It said that it had made one. */
	keeper.fails_later = 0;
	keeper.answers = NULL;
	assert_int_equal(ask(fixture, "POST", AT "certificate-request", "{}"), 500);
}

static const struct {
	const char *path, *body;
	const char *text;
} BAD[] = {
	{AT "init", NULL, "the body is missing"},
	{AT "init", "[]", ""},
	{AT "init", "{\"software\":1}", "/software"},
	{AT "init", "{\"tpm\":true}", "/tpm: unknown"},
	{AT "approve", "{\"x\":1}", "/x: unknown"},
	{AT "renew", "{\"x\":1}", "/x: unknown"},
	{AT "certificate", "{}", "/pem: missing"},
	{AT "certificate", "{\"pem\":\"\"}", "/pem: is empty"},
	{AT "certificate", "{\"pem\":7}", "/pem"},
	{AT "certificate-request", "{\"hash\":\"sha256\"}", "/hash: unknown"},
	{AT "certificate-request", "{\"subject\":7}", "/subject"},
	{AT "certificate-request", "{\"dns\":\"a\"}", "/dns: must be an array"},
	{AT "certificate-request", "{\"ip\":[\"\"]}", "/ip/0: must be a string"},
	{AT "migrate", "{}", "/step: missing"},
	{AT "migrate", "{\"step\":\"Begin\"}", "/step: must be"},
	{AT "migrate", "{\"step\":\"\"}", "/step: must be"},
	{AT "reset", NULL, "the body is missing"},
	{AT "reset", "{\"clear_tpm\":\"yes\"}", "/clear_tpm"},
	{AT "reset", "{\"accept_foreign\":0}", "/accept_foreign"},
	{AT "reset", "{\"without_tpm\":0}", "/without_tpm"},
	{AT "reset", "{\"without_tpm\":true,\"clear_tpm\":true}", "/without_tpm"},
	{AT "reset", "{\"factory\":true}", "/factory: unknown"},
};

static void bad_requests(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	use_keeper(fixture);
	for (i = 0; i < ARRAY_LEN(BAD); i++)
		if (ask(fixture, "POST", BAD[i].path, BAD[i].body) != 400 ||
		    !strstr(fixture->answer, BAD[i].text))
			fail_msg("row %zu: %s", i, fixture->answer);
	assert_int_equal(keeper.asked, 0);
}

static void a_certificate_of_any_size(void **state)
{
	static char body[X509_CHAIN_PEM_MAX + 64];
	struct fixture *fixture = *state;
	struct asker asker = {0};
	size_t len;

	use_keeper(fixture);
	for (len = X509_CHAIN_PEM_MAX; len <= X509_CHAIN_PEM_MAX + 1; len++) {
		(void)snprintf(body, sizeof(body), "{\"pem\":\"%0*d\"}", (int)len, 0);
		asker_begin(&asker, fixture, "POST", AT "certificate", body);
		assert_int_equal(asker_end(&asker), len == X509_CHAIN_PEM_MAX ? 200 : 413);
	}
	assert_int_equal(keeper.asked, 1);
	assert_int_equal(keeper.order.pem.len, X509_CHAIN_PEM_MAX);
}

static void refusals(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask(fixture, "POST", AT "init", "{}"), 422); /* nobody there who could */
	assert_int_equal(ask(fixture, "POST", AT "reset", "{}"), 422);
	use_keeper(fixture);
	keeper.fails_at_once = ERR_CONFLICT;
	assert_int_equal(ask(fixture, "POST", AT "init", "{}"), 409);
	answer_has(fixture, "\"detail\":\"not now\"");
	assert_int_equal(ask(fixture, "POST", AT "reset", "{}"), 409);
	keeper.fails_at_once = 0;
	keeper.fails_later = ERR_TPM_CHANGED;
	assert_int_equal(ask(fixture, "POST", AT "renew", "{}"), 503);
	answer_has(fixture, "\"code\":\"tpm_changed\",\"detail\":\"no chip\"");
	keeper.fails_later = ERR_DISK_FULL;
	assert_int_equal(ask(fixture, "POST", AT "reset", "{}"), 507);
}

static void factory_reset(void **state)
{
	struct fixture *fixture = *state;

	use_keeper(fixture);
	assert_int_equal(ask(fixture, "POST", AT "reset", "{}"), 202);
	answer_has(fixture, "{\"mode\":\"resetting\"}");
	assert_false(keeper.reset.clear_tpm || keeper.reset.accept_foreign);
	assert_int_equal(ask(fixture, "POST", AT "reset", "{\"clear_tpm\":true}"), 202);
	assert_true(keeper.reset.clear_tpm && !keeper.reset.accept_foreign);
	assert_int_equal(ask(fixture, "POST", AT "reset", "{\"accept_foreign\":true}"), 202);
	assert_true(!keeper.reset.clear_tpm && keeper.reset.accept_foreign);
	assert_int_equal(ask(fixture, "POST", AT "reset", "{\"without_tpm\":true}"), 202);
	assert_true(!keeper.reset.clear_tpm && keeper.reset.without_tpm);
}

/* An order is carried out, also for nobody. */
static void the_administrator_leaves(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};
	uint64_t until = clock_monotonic_us() + GIVE_UP_US;

	use_keeper(fixture);
	keeper.waits = true;
	asker_begin(&asker, fixture, "POST", AT "init", "{}");
	while (keeper.asked == 0 && clock_monotonic_us() < until)
		turn(fixture);
	assert_int_equal(keeper.asked, 1);
	asker_leave(&asker);
	turn(fixture);
	assert_null(fixture->service->identity);
	answer_later(NULL);
	assert_non_null(fixture->service->identity);
	assert_null(keeper.ordered);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(orders),
		TEST(requests),
		TEST(bad_requests),
		TEST(a_certificate_of_any_size),
		TEST(refusals),
		TEST(factory_reset),
		TEST(the_administrator_leaves),
	};

	return cmocka_run_group_tests_name("the device's administrator", tests, NULL, NULL);
}
