/* SPDX-License-Identifier: Apache-2.0 */
/* Login: the machine's fingerprint and its record, and cdn.yaml. */
#include "loader/test_fake.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "loader/fault.h"
#include "loader/session_impl.h"

#define RECORD ".fingerprint"

static void begin(struct world *world)
{
	struct session_call *call;

	world->done = 0;
	assert_int_equal(session_login(world->session, slice_str("a@b.c"), slice_str("pw"),
				       world_done, world, &call, &world->err),
			 0);
	assert_int_equal(world->done, 0);
}

static void let_in(struct world *world)
{
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	world_until_done(world);
	world_settle(world);
}

static void unpinned(struct world *world)
{
	world->config.fingerprint = slice_of(NULL, 0);
	world_session(world);
}

static void record(struct world *world, const char *text, size_t len)
{
	assert_int_equal(file_write(world->config.cache_dir, RECORD, slice_of(text, len), 0600,
				    FILE_REPLACE, &world->err),
			 0);
}

static void check_record(struct world *world, const char *text, size_t len)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(8192);

	assert_int_equal(file_read(world->config.cache_dir, RECORD, &bytes, &world->err), 0);
	assert_true(slice_equal(buf_slice(&bytes), slice_of(text, len)));
}

static bool is_recorded(struct world *world)
{
	struct stat st;

	return fstatat(world->config.cache_dir, RECORD, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- the fingerprint --- */

/* It lies where the folders of resources do. */
static void no_folder_has_the_name_of_the_record(void **state)
{
	const struct resource resource = {slice_str(RECORD), slice_str("net.bin")};
	struct err err;

	(void)state;
	assert_int_equal(resource_check(&resource, &err), ERR_INVALID);
}

static void it_is_made_once_and_recorded(void **state)
{
	struct world *world = *state;
	struct stat st;

	unpinned(world);
	for (unsigned i = 0; i < 2; i++) {
		begin(world);
		world_until_requests(world);
		assert_int_equal(is_recorded(world), i > 0);
		let_in(world);
		assert_int_equal(world->code, 0);
		assert_true(session_active(world->session));
		assert_int_equal(world->machines, 1);
		check_record(world, FINGERPRINT "\n", strlen(FINGERPRINT "\n"));
	}
	assert_int_equal(fstatat(world->config.cache_dir, RECORD, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_login_that_fails_records_nothing(void **state)
{
	struct world *world = *state;

	unpinned(world);
	begin(world);
	world_until_requests(world);
	fake_answer(fake_last(), 401, "");
	assert_int_equal(world->code, FAULT_CREDENTIALS);
	world_settle(world);
	assert_false(is_recorded(world));
}

/* The known answer of the formula, sent by who is known by it. */
static void the_record_is_what_servers_are_told(void **state)
{
	static const char text[] = "CPU: Cortex-A78AE. GPU: Orin. Memory: 7802888. DriveSerial: S1";
	struct world *world = *state;
	struct resource resource = {slice_str("models"), slice_str("net.bin")};
	struct session_call *call;

	world->config.salts = (struct v1_salts){slice_str("PFX"), slice_str("HWSALT"),
						slice_str("APISALT"), slice_str("RES")};
	record(world, text, strlen(text));
	unpinned(world);
	begin(world);
	world_until_requests(world);
	let_in(world);
	assert_int_equal(world->machines, 0);
	assert_int_equal(
		session_small(world->session, &resource, world_bytes, world, &call, &world->err),
		0);
	buf_put_u8(&fake_last()->body, '\0');
	assert_non_null(strstr((char *)fake_last()->body.data,
			       "\"hardware\":\"sdpQlsNOiwuddrrN4FW56cUzwgNjgAw7bGium0zs7Kwh1Q4D04Q"
			       "HmfFdrOHGIH70\""));
	fake_answer(fake_last(), 404, "");
}

static void a_damaged_record_is_kept_and_nobody_logs_in(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
		{"", 0},     {"\n", 1},	      {"two\nlines\n", 10},
		{"a\0b", 3}, {"\xff\xfe", 2}, {"\x1b[2J", 4},
	};
	static char long_one[4096];
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(long_one); i++)
		long_one[i] = 'x';
	unpinned(world);
	for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
		const char *text = i < ARRAY_LEN(rows) ? rows[i].text : long_one;
		size_t len = i < ARRAY_LEN(rows) ? rows[i].len : sizeof(long_one);

		record(world, text, len);
		begin(world);
		world_until_done(world);
		assert_int_equal(world->code, ERR_UNREADABLE);
		check_record(world, text, len);
	}
	assert_int_equal(world->machines, 0);
	assert_int_equal(fake.count, 0);
}

static void an_unreadable_record_is_not_absent(void **state)
{
	struct world *world = *state;
	struct stat st;

	unpinned(world);
	/* A link that leads nowhere is there. */
	assert_int_equal(symlinkat("nowhere", world->config.cache_dir, RECORD), 0);
	begin(world);
	world_until_done(world);
	assert_int_equal(world->code, ERR_UNREADABLE);
	assert_non_null(strstr(world->told.text, "the recorded fingerprint"));
	assert_non_null(world->told.remedy);
	assert_int_equal(world->machines, 0);
	assert_int_equal(fake.count, 0);
	assert_int_equal(fstatat(world->config.cache_dir, RECORD, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void a_machine_without_one_is_told(void **state)
{
	struct world *world = *state;

	unpinned(world);
	world->machine_code = ERR_NOT_FOUND;
	begin(world);
	world_until_done(world);
	assert_int_equal(world->code, ERR_NOT_SUPPORTED);
	assert_string_equal(world->told.text,
			    "the fingerprint of this machine: no disk has a serial number");
	world_settle(world);
	assert_false(is_recorded(world));
}

/* Somebody put another there meanwhile: that is not written over, and the login stands. */
static void a_record_that_came_between_stays(void **state)
{
	struct world *world = *state;

	unpinned(world);
	begin(world);
	world_until_requests(world);
	record(world, "other\n", 6);
	let_in(world);
	assert_int_equal(world->code, 0);
	assert_true(session_active(world->session));
	check_record(world, "other\n", 6);
	assert_int_equal(world->notes, 1);
	assert_non_null(strstr(world->note, "could not be recorded"));
}

static void a_formula_without_hardware_needs_none(void **state)
{
	struct world *world = *state;
	struct resource resource = {slice_str("models"), slice_str("net.bin")};
	struct session_call *call;

	world->config.formula = V1_NOHW;
	world->config.salts.hw = slice_of(NULL, 0);
	unpinned(world);
	begin(world);
	let_in(world);
	assert_int_equal(
		session_small(world->session, &resource, world_bytes, world, &call, &world->err),
		0);
	buf_put_u8(&fake_last()->body, '\0');
	assert_non_null(strstr((char *)fake_last()->body.data, "\"hardware\":\"\""));
	fake_answer(fake_last(), 404, "");
	assert_int_equal(world->machines, 0);
	assert_false(is_recorded(world));
}

static void leaving_and_ending_while_the_pool_is_at_it(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	unpinned(world);
	assert_int_equal(session_login(world->session, slice_str("a@b.c"), slice_str("pw"),
				       world_done, world, &call, &world->err),
			 0);
	session_leave(call);
	world_until_requests(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	world_settle(world);
	assert_true(session_active(world->session));
	assert_true(is_recorded(world));
	/* The session goes while its step runs, or is about to. */
	begin(world);
	session_free(TAKE(world->session));
	world_settle(world);
	assert_int_equal(world->done, 0);
	/* And while the fingerprint is being recorded. */
	assert_int_equal(unlinkat(world->config.cache_dir, RECORD, 0), 0);
	secret_free(TAKE(world->loader.key));
	world_session(world);
	begin(world);
	world_until_requests(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	session_free(TAKE(world->session));
	world_settle(world);
	assert_int_equal(world->done, 0);
}

/* --- cdn.yaml --- */

static int parse_code;
static const char *parse_endpoint;

static int parse(void *arg, struct slice yaml, struct loader_cdn *ret_cdn, struct err *err)
{
	(void)arg;
	assert_true(slice_equal(yaml, slice_str("host: there")));
	if (parse_code < 0)
		return err_set(err, parse_code, "line 1: not a mapping");
	ret_cdn->endpoint = (struct buf)BUF_INIT(8192);
	buf_put(&ret_cdn->endpoint, slice_of(parse_endpoint, strlen(parse_endpoint) + 1));
	ret_cdn->reader_key = (struct buf)BUF_INIT(64);
	buf_put(&ret_cdn->reader_key, slice_of("RK", 3));
	return secret_copy(slice_str("RS"), &ret_cdn->reader_secret, err);
}

static void no_cdn(struct world *world)
{
	world->config.cdn_url = NULL;
	world->config.parse_cdn = parse;
	parse_code = 0;
	parse_endpoint = "s3.example";
	world_session(world);
}

static void answer_yaml(struct world *world)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(4096);

	world_seal(world, slice_str("host: there"), &blob);
	fake_answer_bytes(fake_last(), 200, buf_slice(&blob));
}

static void only_with_cdn_yaml_a_login_is_in_force(void **state)
{
	struct world *world = *state;

	no_cdn(world);
	begin(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	assert_int_equal(world->done, 0);
	assert_false(session_active(world->session));
	assert_string_equal(fake_last()->url, "https://api.example/resources/get");
	assert_string_equal(fake_last()->bearer, "T1");
	buf_put_u8(&fake_last()->body, '\0');
	assert_non_null(strstr((char *)fake_last()->body.data, "\"fileName\":\"cdn.yaml\""));
	answer_yaml(world);
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	assert_true(session_active(world->session));
}

static void who_knows_does_not_ask(void **state)
{
	struct world *world = *state;

	world->config.cdn_url = NULL;
	world->config.s3_endpoint = "https://s3.example";
	world_session(world);
	begin(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	assert_int_equal(world->done, 1);
	assert_int_equal(fake.count, 1);
}

static void without_cdn_yaml_the_login_fails(void **state)
{
	static const struct {
		unsigned status; /* 0: cdn.yaml, as sealed */
		int parse;
		const char *endpoint;
		int code;
	} rows[] = {
		{401, 0, "s3.example", FAULT_CREDENTIALS},
		{404, 0, "s3.example", ERR_NOT_FOUND},
		{500, 0, "s3.example", FAULT_UPSTREAM},
		{200, 0, "s3.example", ERR_DAMAGED}, /* not sealed, or not for us */
		{0, ERR_INVALID, "s3.example", FAULT_UPSTREAM},
		{0, ERR_INTERNAL, "s3.example", ERR_INTERNAL},
		{0, 0, "", FAULT_UPSTREAM},
		{0, 0, "http://s3.example", FAULT_UPSTREAM},
		{0, 0, "ftp://s3.example", FAULT_UPSTREAM},
		{0, 0, "https://user:pw@s3.example", FAULT_UPSTREAM},
		{0, 0, "https://s3.example/?x", FAULT_UPSTREAM},
		{0, 0, "s3.example\r\nX-Evil: 1", FAULT_UPSTREAM},
	};
	struct world *world = *state;

	no_cdn(world);
	begin(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	answer_yaml(world);
	assert_int_equal(world->code, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		parse_code = rows[i].parse;
		parse_endpoint = rows[i].endpoint;
		begin(world);
		fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
		if (rows[i].status > 0)
			fake_answer(fake_last(), rows[i].status, "host: there");
		else
			answer_yaml(world);
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, rows[i].code);
		/* The one before is in force, as it was. */
		assert_true(slice_equal(secret_slice(world->session->who->token), slice_str("T1")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_folder_has_the_name_of_the_record),
		TEST(it_is_made_once_and_recorded),
		TEST(a_login_that_fails_records_nothing),
		TEST(the_record_is_what_servers_are_told),
		TEST(a_damaged_record_is_kept_and_nobody_logs_in),
		TEST(an_unreadable_record_is_not_absent),
		TEST(a_machine_without_one_is_told),
		TEST(a_record_that_came_between_stays),
		TEST(a_formula_without_hardware_needs_none),
		TEST(leaving_and_ending_while_the_pool_is_at_it),
		TEST(only_with_cdn_yaml_a_login_is_in_force),
		TEST(who_knows_does_not_ask),
		TEST(without_cdn_yaml_the_login_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
