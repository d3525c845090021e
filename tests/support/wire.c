/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/wire.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/chip.h"

/* Commands, and the simulator's own; the chip's ends and ours. */
static const char *const far_names[] = {"s", "s.ctrl"}, *const near_names[] = {"w", "w.ctrl"};

static int socket_at(const char *dir, const char *name, struct sockaddr_un *ret_address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%s/%s", dir, name);
	return fd;
}

static uint32_t code_of(const uint8_t *command, ssize_t len)
{
	if (len < 10)
		return 0;
	return (uint32_t)command[6] << 24 | (uint32_t)command[7] << 16 | (uint32_t)command[8] << 8 |
	       command[9];
}

/* One read on one side to the other, and the code in it; false at the end of either. */
static bool pass(int from, int to, uint32_t *ret_code)
{
	uint8_t bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	*ret_code = code_of(bytes, n);
	return n > 0 && write(to, bytes, (size_t)n) == n;
}

static void relay(struct wire *wire, int near, int far, bool commands)
{
	struct pollfd fds[] = {{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
	bool cut = false, whole = true;
	uint32_t code;

	while (whole && poll(fds, 2, -1) > 0) {
		if (fds[0].revents) {
			whole = pass(near, far, &code);
			cut = commands && code && code == atomic_load(&wire->broken);
		} else if (cut) {
			return; /* there is the answer */
		} else {
			whole = pass(far, near, &code);
			if (commands && code >= 0x901 && code <= 0x905)
				atomic_fetch_add(&wire->refused, 1);
		}
	}
}

static void serve(struct wire *wire, size_t which)
{
	int near = accept4(wire->listeners[which], NULL, NULL, SOCK_CLOEXEC);
	struct sockaddr_un address;
	int far = socket_at(wire->dir, far_names[which], &address);

	if (near >= 0 && connect(far, (struct sockaddr *)&address, sizeof(address)) == 0)
		relay(wire, near, far, which == 0);
	close(near);
	close(far);
}

static void *run(void *arg)
{
	struct wire *wire = arg;
	struct pollfd fds[] = {
		{.fd = wire->listeners[0], .events = POLLIN},
		{.fd = wire->listeners[1], .events = POLLIN},
		{.fd = wire->stop[0], .events = POLLIN},
	};

	while (poll(fds, 3, -1) > 0 && !fds[2].revents)
		for (size_t i = 0; i < 2; i++)
			if (fds[i].revents)
				serve(wire, i);
	return NULL;
}

void wire_new(struct wire *wire, const struct chip *chip)
{
	struct sockaddr_un address;
	size_t i;

	memset(wire, 0, sizeof(*wire));
	wire->dir = chip->dir;
	snprintf(wire->conf, sizeof(wire->conf), "swtpm:path=%s/w", chip->dir);
	assert_int_equal(pipe(wire->stop), 0);
	for (i = 0; i < 2; i++) {
		wire->listeners[i] = socket_at(chip->dir, near_names[i], &address);
		assert_int_equal(
			bind(wire->listeners[i], (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(wire->listeners[i], 8), 0);
	}
	assert_int_equal(pthread_create(&wire->thread, NULL, run, wire), 0);
}

void wire_break(struct wire *wire, uint32_t code)
{
	atomic_store(&wire->broken, code);
}

void wire_free(struct wire *wire)
{
	char path[128];
	size_t i;

	assert_int_equal(write(wire->stop[1], "", 1), 1);
	assert_int_equal(pthread_join(wire->thread, NULL), 0);
	for (i = 0; i < 2; i++) {
		close(wire->listeners[i]);
		close(wire->stop[i]);
		snprintf(path, sizeof(path), "%s/%s", wire->dir, near_names[i]);
		assert_int_equal(unlink(path), 0);
	}
}
