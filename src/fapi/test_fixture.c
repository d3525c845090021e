/* SPDX-License-Identifier: Apache-2.0 */
#include "fapi/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/loop.h"
#include "broker/wire.h"
#include "tests/support/chip.h"
#include "tests/support/folder.h"

static void make_up(struct slice command, struct buf *answer)
{
	buf_put_u16(answer, 0x8001);
	buf_put_u32(answer, 14);
	buf_put_u32(answer, 0);
	buf_put(answer, slice_of(command.data + 6, 4));
}

static void ask_tpm(const struct chip *tpm, struct slice command, struct buf *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP(fd_close_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t *room;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", tpm->dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, command.data, command.len), command.len);
	while (wire_command_size(buf_slice(answer)) == 0) {
		room = buf_grow(answer, 512);
		assert_non_null(room);
		n = read(fd, room, 512);
		assert_true(n > 0);
		answer->len -= 512 - (size_t)n;
	}
}

static int raw(void *arg, struct slice command, struct buf *ret_answer, struct err *err)
{
	struct fixture *fixture = arg;

	/* Only what is whole and was let through comes here. */
	assert_int_equal(wire_command_size(command), command.len);
	fixture->commands++;
	if (fixture->broken)
		return err_set(err, ERR_TPM_FAILED, "the chip is gone");
	if (fixture->tpm)
		ask_tpm(fixture->tpm, command, ret_answer);
	else
		make_up(command, ret_answer);
	return 0;
}

void fixture_init(struct fixture *fixture)
{
	json_setup();
	*fixture = (struct fixture){
		.place = {.program = FAKE_HELPER, .folder = fixture->folder, .run = fixture->run},
		.chip = {.raw = raw, .arg = fixture, .srk_absent = true},
		.json = BUF_INIT(2 * FAPI_ANSWER_MAX),
	};
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/holdfast-fapi.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->folder, sizeof(fixture->folder), "%s/fapi", fixture->dir);
	snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
}

void fixture_use_tpm(struct fixture *fixture)
{
	fixture->tpm = calloc(1, sizeof(*fixture->tpm));
	assert_non_null(fixture->tpm);
	chip_new(fixture->tpm);
}

void fixture_fini(struct fixture *fixture)
{
	if (fixture->tpm)
		chip_free(fixture->tpm);
	free(fixture->tpm);
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
	size_t files = entries("/proc/self/fd"), names = entries(fixture->run);
	int r;

	buf_reset(&fixture->json);
	fixture->err = (struct err){0};
	r = fapi_run(&fixture->place, request, &fixture->chip, &fixture->json, &fixture->err);
	if (r < 0)
		assert_int_equal(fixture->json.len, 0);
	assert_int_equal(entries("/proc/self/fd"), files);
	assert_true(entries(fixture->run) <= names);
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
