/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of an HTTP service on a Unix socket, as small as can be, so that what is measured is
 * the service: the request is built beforehand, the connection kept, of the answer only the status
 * and the length are looked at. The same for Holdfast and for the echo.
 *
 *   client SOCKET PATH TYPE BODYFILE [MANY]	operation: run
 *
 * With MANY, "%05u" in PATH is replaced by a uniformly random number below it, each time.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/bench.h"

struct client {
	const char *socket, *path, *type;
	int fd;
	uint8_t *body;
	size_t body_len;
	unsigned many; /* 0 = always the same path */
	uint64_t seed;
	char head[1024];
	size_t head_len;
	char answer[65536];
};

static unsigned below(uint64_t *seed, unsigned limit)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (unsigned)((*seed >> 16) % limit);
}

static void make_head(struct client *client)
{
	const char *at = strstr(client->path, "%05u");
	char path[512];
	int n;

	if (client->many && at)
		(void)snprintf(path, sizeof(path), "%.*s%05u%s", (int)(at - client->path),
			       client->path, below(&client->seed, client->many), at + 4);
	else
		(void)snprintf(path, sizeof(path), "%s", client->path);
	n = snprintf(client->head, sizeof(client->head),
		     "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nAccept: %s\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     path, client->type, client->type, client->body_len);
	if (n < 0 || (size_t)n >= sizeof(client->head))
		bench_die("the path is too long");
	client->head_len = (size_t)n;
}

static int begin(void *arg)
{
	struct client *client = arg;

	client->fd = bench_connect(client->socket);
	return client->fd < 0 ? -1 : 0;
}

static void end(void *arg)
{
	struct client *client = arg;

	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* Bytes that the whole answer has, or 0 while its head is not complete. */
static size_t whole(const char *answer)
{
	const char *head_end = strstr(answer, "\r\n\r\n");
	const char *length = strstr(answer, "Content-Length: ");

	if (!head_end)
		return 0;
	if (!length || length > head_end)
		return (size_t)(head_end - answer) + 4;
	return (size_t)(head_end - answer) + 4 + strtoul(length + 16, NULL, 10);
}

static int receive(struct client *client)
{
	size_t have = 0, want = 0;
	ssize_t n;

	while (want == 0 || have < want) {
		n = read(client->fd, client->answer + have, sizeof(client->answer) - 1 - have);
		if (n <= 0)
			return bench_say("the service broke off");
		have += (size_t)n;
		client->answer[have] = '\0';
		if (want == 0)
			want = whole(client->answer);
	}
	if (strncmp(client->answer, "HTTP/1.1 200", 12) != 0)
		return bench_say("%.300s", client->answer);
	return 0;
}

static int run(void *arg)
{
	struct client *client = arg;
	struct iovec parts[2] = {{client->head, client->head_len},
				 {client->body, client->body_len}};

	if (client->many)
		make_head(client);
	parts[0].iov_len = client->head_len;
	if (writev(client->fd, parts, 2) != (ssize_t)(client->head_len + client->body_len))
		return bench_say("sending: %s", strerror(errno));
	return receive(client);
}

int main(int argc, char **argv)
{
	static struct client client = {.fd = -1, .seed = 0x9e3779b97f4a7c15u};
	const struct bench_op ops[] = {{"run", begin, run, end, &client}};

	if (argc != 5 && argc != 6)
		bench_die("usage: client SOCKET PATH TYPE BODYFILE [MANY]");
	client.socket = argv[1];
	client.path = argv[2];
	client.type = argv[3];
	client.body = bench_read_file(argv[4], &client.body_len);
	if (argc == 6)
		client.many = (unsigned)strtoul(argv[5], NULL, 10);
	make_head(&client);
	return bench_serve(ops, 1);
}
