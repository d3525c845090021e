/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of holdfast-fapi, for tests of the daemon: does what the lines say that were
 * appended to this very program, behind one that is MARK. No script could, since the daemon's
 * starter may execute this one file and no shell; nor could a file beside it be read.
 *
 *   begin      makes the file `begun` in FAPI's folder
 *   wait PATH  until there is something
 *   shut PATH  fails when that can be opened for reading
 *   say TEXT   on standard output
 *   hang       for ever
 *   kill       itself
 *   exit N
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 20000u
#define FAILED	9
#define MARK	"--- does ---"

static void do_begin(const char *rest)
{
	const char *conf = getenv("TSS2_FAPICONF");
	const char *slash = conf ? strrchr(conf, '/') : NULL;
	char path[4096];
	int fd;

	(void)rest;
	if (!slash)
		_exit(FAILED);
	(void)snprintf(path, sizeof(path), "%.*s/begun", (int)(slash - conf), conf);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		_exit(FAILED);
	close(fd);
}

static void do_wait(const char *rest)
{
	while (access(rest, F_OK) < 0)
		usleep(LOOK_US);
}

static void do_shut(const char *rest)
{
	if (open(rest, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		_exit(FAILED);
}

static void do_say(const char *rest)
{
	(void)puts(rest);
	(void)fflush(stdout);
}

static void do_hang(const char *rest)
{
	(void)rest;
	for (;;)
		(void)pause();
}

static void do_kill(const char *rest)
{
	(void)rest;
	(void)raise(SIGKILL);
}

static void do_exit(const char *rest)
{
	_exit((int)strtol(rest, NULL, 10));
}

static const struct {
	const char *word;
	void (*run)(const char *rest);
} DEEDS[] = {
	{"begin", do_begin}, {"wait ", do_wait}, {"shut ", do_shut}, {"say ", do_say},
	{"hang", do_hang},   {"kill", do_kill},	 {"exit ", do_exit},
};

static void run_line(const char *line)
{
	size_t i, len;

	for (i = 0; i < sizeof(DEEDS) / sizeof(DEEDS[0]); i++) {
		len = strlen(DEEDS[i].word);
		if (strncmp(line, DEEDS[i].word, len) == 0) {
			DEEDS[i].run(line + len);
			return;
		}
	}
	_exit(FAILED);
}

int main(int argc, char **argv)
{
	char line[4096];
	int begun = 0;
	FILE *file;

	(void)argc;
	file = fopen(argv[0], "re");
	if (!file)
		return FAILED;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (begun)
			run_line(line);
		else
			begun = strcmp(line, MARK) == 0;
	}
	(void)fclose(file);
	return begun ? 0 : FAILED;
}
