/* SPDX-License-Identifier: Apache-2.0 */
/* Log: what arrives on standard error, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"

static int saved = -1;
static int captured = -1;
static char seen[1 << 17];

static int begin(void **state)
{
	(void)state;
	captured = memfd_create("stderr", MFD_CLOEXEC);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (captured < 0 || saved < 0 || dup2(captured, STDERR_FILENO) < 0)
		return -1;
	unsetenv("JOURNAL_STREAM");
	log_init("test");
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(captured);
	return 0;
}

/* What was written since the last call. */
static const char *take(void)
{
	ssize_t n = pread(captured, seen, sizeof(seen) - 1, 0);

	assert_true(n >= 0);
	seen[n] = '\0';
	assert_int_equal(ftruncate(captured, 0), 0);
	assert_int_equal(lseek(captured, 0, SEEK_SET), 0);
	return seen;
}

static void levels(void **state)
{
	(void)state;
	log_error("a %d", 1);
	assert_string_equal(take(), "test: a 1\n");
	log_warning("b");
	log_notice("c");
	log_info("d");
	assert_string_equal(take(), "test: b\ntest: c\ntest: d\n");
}

static void escapes(void **state)
{
	static const struct {
		const char *text;
		const char *line;
	} rows[] = {
		{"", "test: \n"},
		{"one\ntwo\r\t", "test: one\\x0atwo\\x0d\\x09\n"},
		{"\x1b[31m\x7f", "test: \\x1b[31m\\x7f\n"},
		{"gr\xc3\xbc\xc3\x9f", "test: gr\xc3\xbc\xc3\x9f\n"},
		{"c1 \xc2\x9b", "test: c1 \\xc2\\x9b\n"},
		{"bad \xff\xc3", "test: bad \\xff\\xc3\n"},
		{"\xe2\x82"
		 "cut",
		 "test: \\xe2\\x82cut\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		log_info("%s", rows[i].text);
		assert_string_equal(take(), rows[i].line);
	}
}

static void journal_gets_priorities(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("test");
	log_error("a");
	log_info("b\n<0>c");
	log_audit(slice_str("{}"));
	assert_string_equal(take(), "<3>a\n<6>b\\x0a<0>c\n<5>audit {}\n");
	/* The variable is inherited, but standard error goes elsewhere. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("test");
	log_error("a");
	assert_string_equal(take(), "test: a\n");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_init("test");
	log_error("a");
	assert_string_equal(take(), "test: a\n");
}

static void origins(void **state)
{
	static const struct {
		enum err_origin kind;
		unsigned long origin;
		const char *line;
	} rows[] = {
		{ERR_ORIGIN_NONE, 0, "test: start a: broke (tpm_failed)\n"},
		{ERR_ORIGIN_ERRNO, EIO,
		 "test: start a: broke (tpm_failed, errno 5: Input/output error)\n"},
		{ERR_ORIGIN_TSS2, 0x921, "test: start a: broke (tpm_failed, TSS2 0x00000921)\n"},
		{ERR_ORIGIN_OPENSSL, 0x1c800064,
		 "test: start a: broke (tpm_failed, OpenSSL 0x1c800064)\n"},
		{ERR_ORIGIN_ERRNO, 99999,
		 "test: start a: broke (tpm_failed, errno 99999: unknown)\n"},
	};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		(void)err_set(&err, ERR_TPM_FAILED, "broke");
		(void)err_add_origin(&err, rows[i].kind, rows[i].origin);
		log_err(LOG_LEVEL_ERROR, &err, "start %s", "a");
		assert_string_equal(take(), rows[i].line);
	}
}

static void long_lines_are_cut(void **state)
{
	static char text[100000];
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_info("%s", text);
	len = strlen(take());
	assert_in_range(len, 1000, 4096);
	assert_int_equal(seen[len - 1], '\n');
	log_audit(slice_str(text));
	len = strlen(take());
	assert_in_range(len, 1000, 4096);
	assert_int_equal(seen[len - 1], '\n');
	memset(text, '\n', sizeof(text) - 1);
	log_info("%s", text);
	take();
	assert_ptr_equal(strchr(seen, '\n'), seen + strlen(seen) - 1);
}

/* A pipe that nobody reads: lines are dropped, counted, and told once there is room. */
static void a_stuck_reader_stops_nothing(void **state)
{
	static char text[3000], back[1 << 17];
	size_t i, len = 0;
	int ends[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	memset(text, 'x', sizeof(text) - 1);
	for (i = 0; i < 100; i++)
		log_info("%s", text);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	while ((n = read(ends[0], back + len, sizeof(back) - 1 - len)) > 0)
		len += (size_t)n;
	back[len] = '\0';
	assert_null(strstr(back, "dropped"));
	log_info("somebody reads again");
	n = read(ends[0], back, sizeof(back) - 1);
	assert_true(n > 0);
	back[n] = '\0';
	assert_non_null(strstr(back, " log lines were dropped"));
	assert_non_null(strstr(back, "test: somebody reads again\n"));
	close(ends[0]);
	close(ends[1]);
}

static void audit_is_left_as_it_is(void **state)
{
	(void)state;
	log_audit(slice_str("{\"op\":\"seal\",\"detail\":\"a\\\"b\\\\\"}"));
	assert_string_equal(take(), "test: audit {\"op\":\"seal\",\"detail\":\"a\\\"b\\\\\"}\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels, begin, end),
		cmocka_unit_test_setup_teardown(escapes, begin, end),
		cmocka_unit_test_setup_teardown(journal_gets_priorities, begin, end),
		cmocka_unit_test_setup_teardown(origins, begin, end),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, begin, end),
		cmocka_unit_test_setup_teardown(a_stuck_reader_stops_nothing, begin, end),
		cmocka_unit_test_setup_teardown(audit_is_left_as_it_is, begin, end),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
