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
}

void fixture_fini(struct fixture *fixture)
{
	assert_int_equal(folder_remove_all(fixture->dir), 0);
	buf_fini(&fixture->json);
}

static size_t entries(const char *path)
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

int fixture_request(struct fixture *fixture, const struct fapi_request *request)
{
	size_t files = entries("/proc/self/fd");
	int r;

	buf_reset(&fixture->json);
	fixture->err = (struct err){0};
	r = fapi_run(&fixture->place, request, &fixture->json, &fixture->err);
	if (r < 0)
		assert_int_equal(fixture->json.len, 0);
	assert_int_equal(entries("/proc/self/fd"), files);
	assert_true(waitpid(-1, NULL, WNOHANG) <= 0);
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
