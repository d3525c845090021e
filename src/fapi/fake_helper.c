/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tests' helper: the name in its path says how it behaves, well or badly. The place of the
 * sockets it derives from that of the configuration: <place>/fapi/fapi-config.json, <place>/run.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define LIMIT (64u * 1024u)

static char place[PATH_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "fake helper: %s: %s\n", what, strerror(errno));
	_exit(9);
}

static void find_place(void)
{
	const char *conf = getenv("TSS2_FAPICONF");
	const char *end = conf ? strstr(conf, "/fapi/fapi-config.json") : NULL;

	if (!end)
		fail("TSS2_FAPICONF");
	snprintf(place, sizeof(place), "%.*s", (int)(end - conf), conf);
}

/* --- the sockets --- */

static const uint8_t GET_RANDOM[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
static const uint8_t CLEAR[] = {0x80, 2, 0, 0, 0,    27, 0, 0, 1, 0x26, 0x40, 0, 0, 0x0a,
				0,    0, 0, 9, 0x40, 0,	 0, 9, 0, 0,	1,    0, 0};
static const uint8_t STARTUP[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
static const uint8_t EVICT[] = {0x80, 2, 0,    0, 0, 35, 0, 0,	  1, 0x20, 0x40, 0,
				0,    1, 0x80, 0, 0, 0,	 0, 0,	  0, 9,	   0x40, 0,
				0,    9, 0,    0, 1, 0,	 0, 0x81, 0, 0,	   1};
static const uint8_t TWICE[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8,
				0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
static const uint8_t ENDLESS[] = {0x80, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0x7b};
static const uint8_t LOCALITY_0[] = {0, 0, 0, 5, 0};
static const uint8_t LOCALITY_3[] = {0, 0, 0, 5, 3};
static const uint8_t INIT[] = {0, 0, 0, 2, 0, 0, 0, 1};

static int dial(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(place);

	if (fd < 0 || len + strlen(name) >= sizeof(address.sun_path))
		fail("socket");
	memcpy(address.sun_path, place, len);
	memcpy(address.sun_path + len, name, strlen(name));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	return fd;
}

static void say(int fd, const uint8_t *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail("send");
}

/* The last four bytes of what is answered: a code of either socket. */
static unsigned hear(int fd)
{
	uint8_t bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	const uint8_t *end = bytes + n;

	if (n < 4)
		fail("receive");
	return (unsigned)end[-4] << 24 | (unsigned)end[-3] << 16 | (unsigned)end[-2] << 8 | end[-1];
}

static unsigned ask(const char *name, const uint8_t *bytes, size_t len)
{
	int fd = dial(name);
	unsigned rc;

	say(fd, bytes, len);
	rc = hear(fd);
	close(fd);
	return rc;
}

#define DATA	"/run/tpm.sock"
#define CONTROL "/run/tpm.sock.ctrl"

static int do_commands(void)
{
	static const struct {
		const char *name, *socket;
		const uint8_t *bytes;
		size_t len;
	} questions[] = {
		{"random", DATA, GET_RANDOM, sizeof(GET_RANDOM)},
		{"clear", DATA, CLEAR, sizeof(CLEAR)},
		{"startup", DATA, STARTUP, sizeof(STARTUP)},
		{"evict", DATA, EVICT, sizeof(EVICT)},
		{"again", DATA, EVICT, sizeof(EVICT)},
		{"twice", DATA, TWICE, sizeof(TWICE)},
		{"endless", DATA, ENDLESS, sizeof(ENDLESS)},
		{"locality0", CONTROL, LOCALITY_0, sizeof(LOCALITY_0)},
		{"locality3", CONTROL, LOCALITY_3, sizeof(LOCALITY_3)},
		{"init", CONTROL, INIT, sizeof(INIT)},
	};
	size_t i;

	printf("{\"ok\": true");
	for (i = 0; i < ARRAY_LEN(questions); i++)
		printf(", \"%s\": \"%x\"", questions[i].name,
		       ask(questions[i].socket, questions[i].bytes, questions[i].len));
	printf("}");
	return 0;
}

/* Commands of many connections, a byte each in turn; each is answered on its own. */
static int do_many(void)
{
	int fds[8];
	size_t i, at;

	for (i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(DATA);
	for (at = 0; at < sizeof(GET_RANDOM); at++)
		for (i = 0; i < ARRAY_LEN(fds); i++)
			say(fds[i], GET_RANDOM + at, 1);
	for (i = ARRAY_LEN(fds); i-- > 0;)
		if (hear(fds[i]) != 0x17b)
			fail("another answer");
	/* And a second one on a connection that is used already. */
	say(fds[3], GET_RANDOM, sizeof(GET_RANDOM));
	if (hear(fds[3]) != 0x17b)
		fail("another answer");
	puts("{\"ok\": true}");
	return 0;
}

/* More connections than there is room for, silent or broken off in a command, before a good one. */
static int do_halfway(void)
{
	int i;

	for (i = 0; i < 40; i++)
		say(dial(i % 3 ? DATA : CONTROL), GET_RANDOM, (size_t)i % sizeof(GET_RANDOM));
	for (i = 0; i < 40; i++) {
		int fd = dial(DATA);

		say(fd, GET_RANDOM, 7);
		close(fd);
	}
	if (ask(DATA, GET_RANDOM, sizeof(GET_RANDOM)) != 0x17b)
		fail("another answer");
	puts("{\"ok\": true}");
	return 0;
}

/* Has the answer come that makes it more than @before? Not when the other side is gone. */
static bool answered(int fd, int before)
{
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
	int waiting = 0;

	while (waiting <= before) {
		if (poll(&gone, 1, 1) != 0 || ioctl(fd, FIONREAD, &waiting) < 0)
			return false;
	}
	return true;
}

/* Commands one after the other, but no ear for what is answered. */
static int do_deaf(void)
{
	int fd = dial(DATA), waiting = 0, i;

	for (i = 0; i < 100000; i++) {
		if (send(fd, STARTUP, sizeof(STARTUP), MSG_NOSIGNAL) < 0 || !answered(fd, waiting))
			break;
		if (ioctl(fd, FIONREAD, &waiting) < 0)
			fail("ioctl");
	}
	printf("{\"ok\": true, \"heard\": %s, \"sent_away\": %s}", i > 10 ? "true" : "false",
	       i < 100000 ? "true" : "false");
	return 0;
}

/* --- the process --- */

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	if (!dir)
		fail("/proc/self/fd");
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3; /* "." and ".." and the folder itself */
}

static bool is_clean(void)
{
	struct sigaction action;
	sigset_t blocked;
	int i;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (i = 1; i < SIGRTMIN; i++)
		if (sigismember(&blocked, i) > 0 ||
		    (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN))
			return false;
	return getsid(0) == getpid() && open_files() == 3;
}

static int do_echo(int argc, char **argv)
{
	char data[256] = {0}, byte;
	ssize_t len = read(STDIN_FILENO, data, sizeof(data) - 1);
	bool more = len > 0 && read(STDIN_FILENO, &byte, 1) != 0;
	int i;

	printf("{\"ok\": true, \"clean\": %s, \"more\": %s, \"data\": \"%s\", \"text\": \"",
	       is_clean() ? "true" : "false", more ? "true" : "false", data);
	for (i = 1; i < argc; i++)
		printf("%s ", argv[i]);
	for (i = 0; environ[i]; i++)
		printf("%.*s ", (int)strcspn(environ[i], "="), environ[i]);
	printf("%s %s\"}\n", getenv("LANG"), getenv("TSS2_LOG"));
	return 0;
}

static int do_hang(void)
{
	while (pause() < 0)
		continue;
	return 9;
}

static int do_flood(void)
{
	char much[4096];

	memset(much, 'x', sizeof(much));
	for (;;)
		if (write(STDOUT_FILENO, much, sizeof(much)) < 0)
			return 1;
}

/* More than a pipe holds, so that it must be read while the helper runs. */
static int do_complain(void)
{
	int i;

	fputs("first \033[1m line\nsecond line\n", stderr);
	for (i = 0; i < 1024; i++)
		fprintf(stderr, "%1023d\n", i);
	return 3;
}

static void answer_of_size(size_t size)
{
	static const char head[] = "{\"ok\": true, \"pad\": \"", tail[] = "\"}";
	size_t i;

	fputs(head, stdout);
	for (i = strlen(head) + strlen(tail); i < size; i++)
		putchar('p');
	fputs(tail, stdout);
}

/* A child that holds all pipes open, in the same session; its number goes into a file. */
static void have_child(void)
{
	char path[PATH_MAX + 16];
	pid_t pid = fork();
	FILE *file;

	if (pid < 0)
		fail("fork");
	if (pid == 0)
		do_hang();
	snprintf(path, sizeof(path), "%s/child", place);
	file = fopen(path, "we");
	if (!file || fprintf(file, "%d", (int)pid) < 0 || fclose(file) != 0)
		fail("child");
}

static int do_by_signal(void)
{
	fputs("it hurts\n", stderr);
	raise(SIGKILL);
	return 0;
}

/* --- tools against the sockets --- */

static const struct {
	const char *name;
	const char *arguments[8];
} TOOLS[] = {
	{"getrandom", {"tpm2_getrandom", "--hex", "8"}},
	{"getcap", {"tpm2_getcap", "properties-fixed"}},
	{"clear", {"tpm2_clear"}},
	{"primary", {"tpm2_createprimary", "-C", "o", "-c", "primary.ctx"}},
	{"lockout", {"tpm2_dictionarylockout", "--clear-lockout"}},
	{"provision", {"tss2_provision"}},
	{"seal",
	 {"tss2_createseal", "--path=/HS/SRK/note", "--size=16", "--type=noda", "--authValue="}},
	{"unseal", {"tss2_unseal", "--path=/HS/SRK/note", "--data=-"}},
};

static void run_tool(const char *const *arguments, int out)
{
	char tcti[PATH_MAX + 64], path[64], *copies[8] = {NULL};
	size_t i;

	snprintf(tcti, sizeof(tcti), "swtpm:path=%s" DATA, place);
	snprintf(path, sizeof(path), "/usr/bin/%s", arguments[0]);
	for (i = 0; i < ARRAY_LEN(copies) && arguments[i]; i++)
		copies[i] = strdup(arguments[i]);
	if (setenv("TPM2TOOLS_TCTI", tcti, 1) < 0 || setenv("HOME", place, 1) < 0 ||
	    chdir(place) < 0 || dup2(out, STDOUT_FILENO) < 0)
		fail("tool");
	execv(path, copies);
	fail(path);
}

static int do_tool(const char *name)
{
	int fds[2], status;
	uint8_t bytes[256];
	ssize_t n, i;
	size_t tool;
	pid_t pid;

	for (tool = 0; tool < ARRAY_LEN(TOOLS); tool++)
		if (strcmp(TOOLS[tool].name, name) == 0)
			break;
	if (tool == ARRAY_LEN(TOOLS) || pipe2(fds, O_CLOEXEC) < 0)
		fail(name);
	pid = fork();
	if (pid == 0)
		run_tool(TOOLS[tool].arguments, fds[1]);
	close(fds[1]);
	printf("{\"ok\": true, \"out\": \"");
	while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
		for (i = 0; i < n; i++)
			printf("%02x", bytes[i]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		fail("waitpid");
	printf("\", \"exit\": %d}", WEXITSTATUS(status));
	return 0;
}

/* --- which --- */

static const struct {
	const char *name;
	int (*run)(void);
} BEHAVIOURS[] = {
	{"commands", do_commands}, {"many", do_many},		{"halfway", do_halfway},
	{"deaf", do_deaf},	   {"hang", do_hang},		{"flood", do_flood},
	{"complain", do_complain}, {"by_signal", do_by_signal},
};

static const struct {
	const char *name;
	const char *out;
	int exit_code;
} ANSWERS[] = {
	{"ok", "{\"ok\": true}", 0},
	{"nothing", "", 0},
	{"nothing_1", "", 1},
	{"garbage", "this is no JSON", 0},
	{"torn", "{\"ok\": true", 0},
	{"two", "{\"ok\": true}{\"ok\": true}", 0},
	{"array", "[true]", 0},
	{"no_ok", "{\"fine\": true}", 0},
	{"ok_but_1", "{\"ok\": true}", 1},
	{"not_ok_but_0",
	 "{\"ok\": false, \"code\": \"conflict\", \"step\": \"s\", \"text\": \"t\"}", 0},
	{"conflict",
	 "{\"ok\": false, \"code\": \"conflict\", \"step\": \"Fapi_Provision\", "
	 "\"rc\": \"0x00060034\", \"text\": \"provisioned before\"}\n",
	 1},
	{"exit_2", "{\"ok\": true}", 2},
};

static int find_behaviour(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(BEHAVIOURS); i++)
		if (strcmp(BEHAVIOURS[i].name, name) == 0)
			return BEHAVIOURS[i].run();
	for (i = 0; i < ARRAY_LEN(ANSWERS); i++)
		if (strcmp(ANSWERS[i].name, name) == 0)
			return fputs(ANSWERS[i].out, stdout) < 0 ? 9 : ANSWERS[i].exit_code;
	if (strncmp(name, "tool.", 5) == 0)
		return do_tool(name + 5);
	if (strcmp(name, "child") == 0 || strcmp(name, "child_hang") == 0) {
		have_child();
		return strcmp(name, "child") == 0 ? find_behaviour("ok") : do_hang();
	}
	if (strcmp(name, "largest") == 0 || strcmp(name, "too_large") == 0) {
		answer_of_size(LIMIT + (strcmp(name, "largest") != 0));
		return 0;
	}
	errno = EINVAL;
	fail(name);
	return 9;
}

int main(int argc, char **argv)
{
	const char *name = argc > 2 ? strrchr(argv[2], '/') : NULL;
	int exit_code;

	/* Whatever becomes of the test, nothing is left. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_place();
	exit_code =
		name && strcmp(name, "/echo") != 0 ? find_behaviour(name + 1) : do_echo(argc, argv);
	if (fflush(stdout) != 0)
		return 9;
	_exit(exit_code);
}
