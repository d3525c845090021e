/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/notify.h"

/* A manager with an abstract address of the kernel's choice; its name goes to NOTIFY_SOCKET. */
static int manager_new(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr);
	char name[sizeof(addr.sun_path) + 1] = "@";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	memcpy(name + 1, addr.sun_path + 1, len - offsetof(struct sockaddr_un, sun_path) - 1);
	(void)setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void test_sent(void **state)
{
	struct err err = {0};
	char text[32] = "";
	int fd = manager_new();

	(void)state;
	assert_int_equal(notify_send("READY=1", &err), 0);
	assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
	assert_string_equal(text, "READY=1");
	close(fd);
	assert_int_equal(notify_send("STOPPING=1", &err), ERR_INTERNAL);
}

static void test_no_manager(void **state)
{
	struct err err = {0};

	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1", &err), 0);
}

static void test_bad_address(void **state)
{
	static const char *const BAD[] = {"relative", "@", "/"};
	char longest[200];
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		(void)setenv("NOTIFY_SOCKET", BAD[i], 1);
		assert_int_equal(notify_send("READY=1", &err), ERR_INTERNAL);
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	(void)setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(notify_send("READY=1", &err), ERR_INTERNAL);
}

static void test_watchdog(void **state)
{
	static const struct {
		const char *usec;
		bool other_pid;
		uint64_t want;
	} CASES[] = {
		{NULL, false, 0},      {"30000000", false, 15000000},
		{"30000000", true, 0}, {"0", false, 0},
		{"many", false, 0},    {"5x", false, 0},
		{"-4", false, 0},
	};
	char pid[16];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		(void)unsetenv("WATCHDOG_USEC");
		if (CASES[i].usec)
			(void)setenv("WATCHDOG_USEC", CASES[i].usec, 1);
		(void)snprintf(pid, sizeof(pid), "%d", CASES[i].other_pid ? 1 : (int)getpid());
		(void)setenv("WATCHDOG_PID", pid, 1);
		assert_int_equal(notify_watchdog_us(), CASES[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_no_manager),
		cmocka_unit_test(test_bad_address),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
