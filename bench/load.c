/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients of an HTTP service at once, in one thread: each sends its request again as soon as
 * it is answered. For what a service does when somebody asks too much of it.
 *
 *   load CLIENTS TYPE BODYFILE SOCKET PATH [SOCKET PATH ..]
 *
 * So many clients of each socket and path. "%08u" in the body is replaced by a number that no other
 * request has. After "ready" a line "run WARM TIME" (milliseconds) is answered, when both have
 * passed, by "COUNT P50 P99 GAP ERRORS TEXT": of the requests answered within TIME their number and
 * nanoseconds, and the longest time without an answer that ended in it; how many were not answered
 * by 2xx, and what one of those said. "idle 0 TIME" only keeps the connections open.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

#define TIMES_MAX 4000000u
#define HEAD_MAX  512u
#define NUMBER	  "%08u"
#define DIGITS	  8u

struct target {
	const char *socket;
	char head[HEAD_MAX];
	size_t head_len;
};

struct client {
	const struct target *target;
	int fd;
	char *body; /* its own where it holds a number */
	uint64_t begin;
	size_t sent, have, want; /* want: bytes of the answer, 0 until its head is there */
	char answer[4096];	 /* the first of them */
};

static struct load {
	struct target *targets;
	struct client *clients;
	size_t count;
	char *body;
	size_t body_len, number_at; /* number_at: 0 = there is none */
	unsigned next_number;
	int epoll;
	uint64_t from, until; /* of what counts */
	uint64_t *times;
	uint64_t last, gap; /* when something was answered; the longest time without */
	size_t done, errors;
	char text[160];
} load;

/* --- what is sent --- */

static void read_body(const char *path)
{
	size_t len;
	char *file = (char *)bench_read_file(path, &len);
	char *at = memmem(file, len, NUMBER, strlen(NUMBER));

	load.body = file;
	load.body_len = len;
	if (!at)
		return;
	load.number_at = (size_t)(at - file);
	load.body_len = len - strlen(NUMBER) + DIGITS;
	load.body = calloc(1, load.body_len + 1);
	if (!load.body)
		bench_die("memory is short");
	memcpy(load.body, file, load.number_at);
	memcpy(load.body + load.number_at + DIGITS, at + strlen(NUMBER),
	       len - load.number_at - strlen(NUMBER));
	free(file);
}

static void make_head(struct target *target, const char *path, const char *type)
{
	int n = snprintf(target->head, sizeof(target->head),
			 "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nAccept: %s\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 path, type, type, load.body_len);

	if (n < 0 || (size_t)n >= sizeof(target->head))
		bench_die("the path is too long");
	target->head_len = (size_t)n;
}

static char *own_body(void)
{
	char *body = load.body;

	if (load.number_at == 0)
		return body;
	body = malloc(load.body_len);
	if (!body)
		bench_die("memory is short");
	memcpy(body, load.body, load.body_len);
	return body;
}

static void next_request(struct client *client)
{
	char digits[DIGITS + 1];

	if (load.number_at) {
		(void)snprintf(digits, sizeof(digits), NUMBER, load.next_number++ % 100000000u);
		memcpy(client->body + load.number_at, digits, DIGITS);
	}
	client->sent = client->have = client->want = 0;
	client->begin = bench_now_ns();
}

static void watch(struct client *client, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, client->fd, &event) < 0)
		bench_die("epoll: %s", strerror(errno));
}

/* As much as the socket takes. */
static void send_more(struct client *client)
{
	const struct target *target = client->target;
	size_t whole = target->head_len + load.body_len;
	ssize_t n = 1;

	while (n > 0 && client->sent < whole) {
		size_t in_body = client->sent - target->head_len;

		if (client->sent < target->head_len)
			n = send(client->fd, target->head + client->sent,
				 target->head_len - client->sent, MSG_NOSIGNAL | MSG_MORE);
		else
			n = send(client->fd, client->body + in_body, load.body_len - in_body,
				 MSG_NOSIGNAL);
		client->sent += n > 0 ? (size_t)n : 0;
	}
	if (n < 0 && errno != EAGAIN && errno != EPIPE)
		bench_die("sending: %s", strerror(errno));
	watch(client, client->sent < whole ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* --- connections --- */

static void connect_client(struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	client->fd = bench_connect(client->target->socket);
	if (client->fd < 0)
		bench_die("cannot connect to %s", client->target->socket);
	if (fcntl(client->fd, F_SETFL, O_NONBLOCK) < 0 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
		bench_die("a connection: %s", strerror(errno));
}

static void disconnect(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

/* --- what is answered --- */

static void note_answer(uint64_t now)
{
	if (now >= load.from && now > load.last && now - load.last > load.gap)
		load.gap = now - load.last;
	load.last = now;
}

static void finished(struct client *client)
{
	uint64_t now = bench_now_ns();
	bool good = strncmp(client->answer, "HTTP/1.1 2", 10) == 0;

	if (!good && load.errors++ == 0)
		(void)snprintf(load.text, sizeof(load.text), "%.*s",
			       (int)strcspn(client->answer, "\r\n"), client->answer);
	if (!good)
		return;
	note_answer(now);
	if (now < load.from || now >= load.until || load.done == TIMES_MAX)
		return;
	load.times[load.done++] = now - client->begin;
}

static size_t whole_answer(const char *answer)
{
	const char *head_end = strstr(answer, "\r\n\r\n");
	const char *length = strstr(answer, "Content-Length: ");
	size_t head;

	if (!head_end)
		return 0;
	head = (size_t)(head_end - answer) + 4;
	return length && length < head_end ? head + strtoul(length + 16, NULL, 10) : head;
}

/* What is behind the first bytes only has to be taken off the socket. */
static ssize_t take_piece(struct client *client)
{
	static char rest[65536];
	size_t room = sizeof(client->answer) - 1;
	ssize_t n;

	if (client->have >= room)
		return read(client->fd, rest, sizeof(rest));
	n = read(client->fd, client->answer + client->have, room - client->have);
	if (n > 0)
		client->answer[client->have + (size_t)n] = '\0';
	return n;
}

/* The connection ended; that is an error unless the service had said that it would. */
static void ended(struct client *client)
{
	if (client->want == 0 && load.errors++ == 0)
		(void)snprintf(load.text, sizeof(load.text), "a connection was closed");
	disconnect(client);
	connect_client(client);
	next_request(client);
	send_more(client);
}

static void receive_more(struct client *client)
{
	ssize_t n = take_piece(client);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		ended(client);
		return;
	}
	client->have += (size_t)n;
	if (client->want == 0)
		client->want = whole_answer(client->answer);
	if (client->want == 0 || client->have < client->want)
		return;
	finished(client);
	next_request(client);
	send_more(client);
}

/* --- a run --- */

static void pass(uint64_t until)
{
	struct epoll_event events[64];
	uint64_t now;
	int n, i;

	for (now = bench_now_ns(); now < until; now = bench_now_ns()) {
		n = epoll_wait(load.epoll, events, 64, (int)((until - now) / 1000000u) + 1);
		for (i = 0; i < n; i++) {
			struct client *client = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				send_more(client);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				receive_more(client);
		}
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static unsigned long long at(size_t percent)
{
	size_t i = load.done * percent / 100u;

	return load.done ? load.times[i < load.done ? i : load.done - 1] : 0;
}

static void run(bool idle, uint64_t warm_ms, uint64_t time_ms)
{
	size_t i;

	load.done = load.errors = 0;
	load.gap = 0;
	load.text[0] = '\0';
	load.last = bench_now_ns();
	load.from = load.last + warm_ms * 1000000u;
	load.until = load.from + time_ms * 1000000u;
	for (i = 0; i < load.count; i++) {
		connect_client(&load.clients[i]);
		if (idle)
			continue;
		next_request(&load.clients[i]);
		send_more(&load.clients[i]);
	}
	if (idle)
		usleep((useconds_t)(time_ms * 1000u));
	else
		pass(load.until);
	note_answer(load.until);
	for (i = 0; i < load.count; i++)
		disconnect(&load.clients[i]);
	qsort(load.times, load.done, sizeof(*load.times), compare);
	printf("%zu %llu %llu %llu %zu %s\n", load.done, at(50), at(99),
	       (unsigned long long)load.gap, load.errors, load.text);
	(void)fflush(stdout);
}

static void make_clients(unsigned long each, size_t targets)
{
	size_t i;

	load.count = each * targets;
	load.clients = calloc(load.count, sizeof(*load.clients));
	load.times = calloc(TIMES_MAX, sizeof(*load.times));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load.clients || !load.times || load.epoll < 0)
		bench_die("memory is short");
	for (i = 0; i < load.count; i++) {
		load.clients[i].target = &load.targets[i % targets];
		load.clients[i].body = own_body();
		load.clients[i].fd = -1;
	}
}

int main(int argc, char **argv)
{
	size_t targets = argc < 6 || argc % 2 ? 0 : (size_t)(argc - 4) / 2, i;
	unsigned long long warm, time;
	char line[80], what[8];

	if (targets == 0)
		bench_die("usage: load CLIENTS TYPE BODYFILE SOCKET PATH [SOCKET PATH ..]");
	read_body(argv[3]);
	load.targets = calloc(targets, sizeof(*load.targets));
	if (!load.targets)
		bench_die("memory is short");
	for (i = 0; i < targets; i++) {
		load.targets[i].socket = argv[4 + 2 * i];
		make_head(&load.targets[i], argv[5 + 2 * i], argv[2]);
	}
	make_clients(strtoul(argv[1], NULL, 10), targets);
	puts("ready");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%7s %llu %llu", what, &warm, &time) != 3)
			bench_die("no such order: %s", line);
		run(strcmp(what, "idle") == 0, warm, time);
	}
	return 0;
}
