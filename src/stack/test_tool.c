/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that behave well, and those that do not: each is a small script in a folder of ours. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "stack/tool.h"

#define LONG_MS	 60000u
#define SHORT_MS 300u

static char folder[] = "/tmp/holdfast-tool-XXXXXX";
static const char *const FOLDERS[] = {"/nowhere/at/all", folder, NULL};

static void write_script(const char *name, const char *text, mode_t mode)
{
	char path[sizeof(folder) + 64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(folder);
}

/* No child is left, neither running nor as a zombie. */
static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static struct tool_end run(const char *name, unsigned timeout_ms, struct buf *output)
{
	const char *const argv[] = {name, "a b", "$HOME", NULL};
	static const char *const ENV[] = {"TPM2TOOLS_TCTI=none", NULL};
	const struct tool_run how = {
		.argv = argv, .env = ENV, .timeout_ms = timeout_ms, .folders = FOLDERS};
	struct tool_end end = {.found = true, .in_time = true, .status = 77};
	struct err err;

	assert_int_equal(tool_run(&how, &end, output, &err), 0);
	assert_no_child();
	return end;
}

static void assert_output(const struct buf *output, const char *text)
{
	if (!slice_equal(buf_slice(output), slice_str(text)))
		print_error("%.*s\n", (int)output->len, (const char *)output->data);
	assert_true(slice_equal(buf_slice(output), slice_str(text)));
}

static void test_ends(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *output;
	} CASES[] = {
		{"#!/bin/sh\nexit 0\n", 0, ""},
		{"#!/bin/sh\necho out; echo err >&2; exit 3\n", 3, "out\nerr\n"},
		{"#!/bin/sh\necho \"$#:$1:$2\"\n", 0, "2:a b:$HOME\n"},
		{"#!/bin/sh\nkill -9 $$\n", 128 + SIGKILL, ""},
		{"#!/bin/sh\ncat; pwd\n", 0, "/\n"}, /* no input, and not in our folder */
		{"#!/nowhere/sh\n", 127, ""},
		{"no script\n", 127, ""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
		struct tool_end end;

		write_script("case", CASES[i].text, 0700);
		end = run("case", LONG_MS, &output);
		assert_true(end.found);
		assert_true(end.in_time);
		assert_int_equal(end.status, CASES[i].status);
		assert_output(&output, CASES[i].output);
	}
}

/* Nothing of ours gets there: no variable, no file, no blocked signal. */
static void test_clean(void **state)
{
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	int fd = open("/dev/null", O_RDONLY); // not closed on exec
	sigset_t set, old;
	struct tool_end end;

	(void)state;
	assert_true(fd > STDERR_FILENO);
	assert_int_equal(setenv("SECRET_OF_OURS", "x", 1), 0);
	assert_int_equal(setenv("LD_PRELOAD", "", 1), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	write_script("clean",
		     "#!/bin/sh\n"
		     "env | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=' | sort\n"
		     "[ -e /proc/self/fd/3 ] && echo open\n"
		     "kill -TERM $$\n"
		     "echo blocked\n",
		     0700);
	end = run("clean", LONG_MS, &output);
	sigprocmask(SIG_SETMASK, &old, NULL);
	unsetenv("SECRET_OF_OURS");
	unsetenv("LD_PRELOAD");
	close(fd);
	assert_int_equal(end.status, 128 + SIGTERM);
	assert_output(&output, "LC_ALL=C\n"
			       "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:"
			       "/run/current-system/sw/bin\n"
			       "TPM2TOOLS_TCTI=none\n");
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* It is killed with what it started; what it said before is there. */
static void test_late(void **state)
{
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	struct timespec begin;
	struct tool_end end;
	long pid;

	(void)state;
	write_script("late",
		     "#!/bin/sh\n"
		     "trap '' TERM INT HUP\n"
		     "sleep 1000 & echo $!\n"
		     "wait\n",
		     0700);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	end = run("late", SHORT_MS, &output);
	assert_true(end.found);
	assert_false(end.in_time);
	assert_int_equal(end.status, 128 + SIGKILL);
	assert_true(seconds_since(&begin) < 30);
	buf_put_u8(&output, '\0');
	pid = strtol((const char *)output.data, NULL, 10);
	assert_true(pid > 1);
	/* Its reaper may be slow to take it; it is dead all the same. */
	while (kill((pid_t)pid, 0) == 0) {
		char path[64], text[512] = "";
		FILE *stat;

		(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
		stat = fopen(path, "re");
		if (!stat || fread(text, 1, sizeof(text) - 1, stat) == 0 || strstr(text, ") Z ")) {
			if (stat)
				fclose(stat);
			break;
		}
		fclose(stat);
		assert_true(seconds_since(&begin) < 60);
	}
}

/* It has ended; that one which it left behind holds the pipe is nothing to wait for. */
static void test_left_behind(void **state)
{
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	struct timespec begin;
	struct tool_end end;

	(void)state;
	write_script("parent", "#!/bin/sh\nsleep 1000 &\necho done\n", 0700);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	end = run("parent", LONG_MS, &output);
	assert_true(end.in_time);
	assert_int_equal(end.status, 0);
	assert_true(seconds_since(&begin) < 30);
	assert_output(&output, "done\n");
}

/* Who never ends to talk is neither kept nor waited for, and who closes its output may live on. */
static void test_endless(void **state)
{
	CLEANUP(buf_fini) struct buf all = BUF_INIT(2 * TOOL_OUTPUT_MAX);
	CLEANUP(buf_fini) struct buf few = BUF_INIT(10);
	CLEANUP(buf_fini) struct buf none = BUF_INIT(10);
	struct tool_end end;

	(void)state;
	write_script("endless", "#!/bin/sh\nwhile :; do echo 123456789012345; done\n", 0700);
	end = run("endless", SHORT_MS, &few);
	assert_false(end.in_time);
	assert_int_equal(few.len, 10);
	write_script("much", "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\n", 0700);
	end = run("much", LONG_MS, &all);
	assert_true(end.in_time);
	assert_int_equal(end.status, 0);
	assert_int_equal(all.len, TOOL_OUTPUT_MAX);
	write_script("mute", "#!/bin/sh\nexec >&- 2>&-\nexit 5\n", 0700);
	end = run("mute", LONG_MS, &none);
	assert_int_equal(end.status, 5);
	assert_int_equal(none.len, 0);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	interrupted = number;
}

/* Another process sends it, once the program runs and has said so. */
static pid_t interrupt_later(int number)
{
	char path[sizeof(folder) + 16];
	pid_t parent = getpid(), pid;

	(void)snprintf(path, sizeof(path), "%s/runs", folder);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	while (access(path, F_OK) < 0)
		(void)usleep(1000);
	(void)kill(parent, number);
	_exit(0);
}

/* Ctrl-C ends the program, which is of another session, before it ends us. */
static void test_interrupted(void **state)
{
	const struct sigaction action = {.sa_handler = on_interrupt},
			       none = {.sa_handler = SIG_DFL};
	static const char *const ARGV[] = {"waits", NULL};
	const struct tool_run how = {.argv = ARGV, .timeout_ms = LONG_MS, .folders = FOLDERS};
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	struct tool_end end = {.in_time = true};
	char text[sizeof(folder) + 64];
	uint64_t start = tool_now_ms();
	sigset_t before;
	struct err err;
	pid_t pid;

	(void)state;
	(void)snprintf(text, sizeof(text), "#!/bin/sh\n: >%s/runs\nexec sleep 987655\n", folder);
	write_script("waits", text, 0700);
	assert_int_equal(sigaction(SIGINT, &action, NULL), 0);
	pid = interrupt_later(SIGINT);
	tool_hold_signals(&before);
	assert_int_equal(tool_run(&how, &end, &output, &err), 0);
	assert_false(end.in_time);
	assert_int_equal(interrupted, 0);
	/* It is not forgotten: the next one is ended too. */
	end.in_time = true;
	assert_int_equal(tool_run(&how, &end, &output, &err), 0);
	assert_false(end.in_time);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(interrupted, SIGINT);
	assert_true(tool_now_ms() - start < LONG_MS);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_no_child();
	assert_int_equal(sigaction(SIGINT, &none, NULL), 0);
}

static void test_not_found(void **state)
{
	static const char *const NAMES[] = {"absent",	   "writable",	"plain", "folder", "",
					    "../bin/true", "/bin/true", ".",	 ".hidden"};
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	char path[sizeof(folder) + 16];
	size_t i;

	(void)state;
	write_script("writable", "#!/bin/sh\n", 0777); /* by anybody: who knows what it is */
	write_script("plain", "#!/bin/sh\n", 0600);
	write_script(".hidden", "#!/bin/sh\n", 0700);
	(void)snprintf(path, sizeof(path), "%s/folder", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		assert_false(run(NAMES[i], LONG_MS, &output).found);
	assert_int_equal(rmdir(path), 0);
	/* A folder that is anybody's is none of the system's. */
	write_script("good", "#!/bin/sh\n", 0700);
	assert_true(run("good", LONG_MS, &output).found);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_false(run("good", LONG_MS, &output).found);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(output.len, 0);
}

/* Not by the caller's PATH. */
static void test_folders(void **state)
{
	const char *path = getenv("PATH");
	char kept[4096];

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", path ? path : "/usr/bin:/bin");
	write_script("only-here", "#!/bin/sh\n", 0700);
	assert_int_equal(setenv("PATH", folder, 1), 0);
	assert_false(tool_found("only-here"));
	assert_true(tool_found("sh"));
	assert_false(tool_found("bin/sh"));
	assert_int_equal(setenv("PATH", kept, 1), 0);
}

static void test_too_many(void **state)
{
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	const char *argv[TOOL_ARGS_MAX + 2] = {NULL};
	const struct tool_run how = {.argv = argv, .folders = FOLDERS};
	struct tool_end end = {.status = 77};
	struct err err;
	size_t i;

	(void)state;
	write_script("count", "#!/bin/sh\necho $#\n", 0700);
	argv[0] = "count";
	for (i = 1; i < TOOL_ARGS_MAX; i++)
		argv[i] = "x";
	assert_int_equal(tool_run(&how, &end, &output, &err), 0);
	assert_output(&output, "15\n");
	argv[TOOL_ARGS_MAX] = "x";
	end.status = 77;
	assert_int_equal(tool_run(&how, &end, &output, &err), ERR_INTERNAL);
	assert_int_equal(end.status, 77);
	assert_no_child();
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_ends),	  cmocka_unit_test(test_clean),
		cmocka_unit_test(test_late),	  cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_endless),	  cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_not_found), cmocka_unit_test(test_folders),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(TESTS, make_folder, remove_folder);
}
