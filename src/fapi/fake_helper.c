/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tests' helper: the name in its path says how it behaves, well or badly. Its place it derives
 * from that of the configuration: <place>/fapi/fapi-config.json.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
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
	/* In whatever order: an emulator has its own. */
	for (i = 0; environ[i]; i++)
		continue;
	qsort(environ, (size_t)i, sizeof(*environ), compare);
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

/* --- which --- */

static const struct {
	const char *name;
	int (*run)(void);
} BEHAVIOURS[] = {
	{"hang", do_hang},
	{"flood", do_flood},
	{"complain", do_complain},
	{"by_signal", do_by_signal},
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

	find_place();
	exit_code =
		name && strcmp(name, "/echo") != 0 ? find_behaviour(name + 1) : do_echo(argc, argv);
	if (fflush(stdout) != 0)
		return 9;
	_exit(exit_code);
}
