/* SPDX-License-Identifier: Apache-2.0 */
#include "fapi/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/loop.h"
#include "fapi/impl.h"
#include "tests/support/folder.h"

void fixture_init(struct fixture *fixture)
{
	json_setup();
	*fixture = (struct fixture){
		.place = {.program = FAKE_HELPER, .folder = fixture->folder, .run = fixture->run},
		.json = BUF_INIT(2 * FAPI_ANSWER_MAX),
	};
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/holdfast-fapi.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->folder, sizeof(fixture->folder), "%s/fapi", fixture->dir);
	snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
	fixture_begin_starter(fixture, FAKE_HELPER);
}

void fixture_begin_starter(struct fixture *fixture, const char *program)
{
	const struct starter_plan plan = {.program = program,
					  .folder = fixture->folder,
					  .longest_s = fixture->longest_s ? fixture->longest_s
									  : FAPI_LONGEST_S};

	starter_free(TAKE(fixture->starter));
	assert_int_equal(starter_begin(&plan, &fixture->starter, &fixture->err), 0);
	fixture->place.program = program;
	fixture->place.starter = fixture->starter;
}

void fixture_needs_kernel(void)
{
	if (getenv("HOLDFAST_EMULATED"))
		skip();
}

void fixture_fini(struct fixture *fixture)
{
	starter_free(TAKE(fixture->starter));
	assert_int_equal(folder_remove_all(fixture->dir), 0);
	buf_fini(&fixture->json);
}

size_t fixture_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

/* The process that started @pid; 0 = it is gone. */
static int parent_of(const char *pid)
{
	char path[300], text[256] = {0};
	const char *end;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	(void)!fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	/* "PID (NAME) STATE PARENT ..": the name may hold anything. */
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

size_t fixture_children_of(pid_t pid)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    parent_of(entry->d_name) == pid)
			count++;
	closedir(dir);
	return count;
}

int fixture_request(struct fixture *fixture, const struct fapi_request *request)
{
	size_t files = fixture_entries("/proc/self/fd");
	int r;

	buf_reset(&fixture->json);
	fixture->err = (struct err){0};
	r = fapi_run(&fixture->place, request, &fixture->json, &fixture->err);
	if (r < 0)
		assert_int_equal(fixture->json.len, 0);
	assert_int_equal(fixture_entries("/proc/self/fd"), files);
	assert_true(waitpid(-1, NULL, WNOHANG) <= 0);
	if (fixture->starter)
		assert_int_equal(fixture_children_of(fixture->starter->pid), 0);
	return r;
}

int fixture_run(struct fixture *fixture, const char *behaviour, uint64_t patience_us)
{
	char path[64];
	struct fapi_request request = {.verb = FAPI_DELETE,
				       .path = path,
				       .deadline_us = clock_monotonic_us() + patience_us};

	snprintf(path, sizeof(path), "/HS/SRK/%s", behaviour);
	return fixture_request(fixture, &request);
}
