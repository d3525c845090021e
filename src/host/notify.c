/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram per state to a Unix socket: a path, or an abstract name that begins with '@'. */
#include "host/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager_address(const char *name, struct sockaddr_un *ret_addr, socklen_t *ret_len,
			   struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(addr.sun_path))
		return err_set(err, ERR_INTERNAL, "NOTIFY_SOCKET is no address of a socket");
	memcpy(addr.sun_path, name, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	*ret_addr = addr;
	return 0;
}

int notify_send(const char *state, struct err *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = 0;
	int r;

	if (!name || name[0] == '\0')
		return 0;
	r = manager_address(name, &addr, &len, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			     (const struct sockaddr *)&addr, len) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot notify the manager");
	return 0;
}

/* A decimal number and nothing else; 0 when it is not one. */
static unsigned long long env_number(const char *name)
{
	const char *text = getenv(name);
	unsigned long long value;
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : 0;
}

uint64_t notify_watchdog_us(void)
{
	unsigned long long pid = env_number("WATCHDOG_PID");

	if (pid != 0 && pid != (unsigned long long)getpid())
		return 0;
	return env_number("WATCHDOG_USEC") / 2;
}
