/* SPDX-License-Identifier: Apache-2.0 */
#include "origin/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/folder.h"

#define ANSWER_MAX (32u * 1024u * 1024u)
#define GUARD_US   30000000u
#define CHUNK	   65536u

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void note(void *arg, const char *text)
{
	struct world *world = arg;

	buf_put_str(&world->notes, text);
	buf_put_u8(&world->notes, '\n');
}

static int setup(void **state, enum v1_formula formula)
{
	struct world *world = calloc(1, sizeof(*world));
	struct origin_config config = {
		.formula = formula,
		.user_count = 1,
		.salts = {.prefix = slice_str("PFX"),
			  .hw = slice_str("HWSALT"),
			  .api = slice_str("APISALT")},
		.upload_max = UPLOAD_MAX,
		.connections = 8,
		.note = note,
	};
	struct err err;

	assert_non_null(world);
	json_setup();
	world->fds = count_fds();
	world->token = (struct buf)BUF_INIT(16384);
	world->notes = (struct buf)BUF_INIT(65536);
	(void)snprintf(world->root, sizeof(world->root), "/tmp/hf-origin-XXXXXX");
	assert_non_null(mkdtemp(world->root));
	world->dir = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(world->dir >= 0);
	assert_int_equal(secret_copy(slice_str(EMAIL), &world->users[0].email, &err), 0);
	assert_int_equal(secret_copy(slice_str(PASSWORD), &world->users[0].password, &err), 0);
	assert_int_equal(loop_new(&world->loop, &err), 0);
	assert_int_equal(jobs_new(world->loop, &world->jobs, &err), 0);
	config.dir = world->dir;
	config.users = world->users;
	config.note_arg = world;
	assert_int_equal(origin_new(world->jobs, &config, &world->origin, &err), 0);
	*state = world;
	return 0;
}

int world_setup(void **state)
{
	return setup(state, V1_HW);
}

int world_setup_nohw(void **state)
{
	return setup(state, V1_NOHW);
}

int world_teardown(void **state)
{
	struct world *world = *state;
	int left;

	assert_true(jobs_free(world->jobs, GUARD_US));
	origin_free(world->origin);
	loop_free(world->loop);
	secret_free(world->users[0].email);
	secret_free(world->users[0].password);
	buf_fini(&world->token);
	buf_fini(&world->notes);
	close(world->dir);
	assert_int_equal(folder_remove_all(world->root), 0);
	assert_int_equal(world->open, world->closed);
	left = count_fds() - world->fds;
	free(world);
	return left;
}

/* --- files --- */

static int open_folder(struct world *world, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char folder[300];
	struct err err;
	int fd = -1;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	*ret_name = slash ? slash + 1 : path;
	assert_int_equal(file_open_dir(world->dir, folder, true, 0755, &fd, &err), 0);
	return fd;
}

void world_put(struct world *world, const char *path, struct slice bytes)
{
	const char *name;
	int dir = open_folder(world, path, &name);
	struct err err;

	assert_int_equal(file_write(dir, name, bytes, 0644, FILE_REPLACE, &err), 0);
	close(dir);
}

void world_put_text(struct world *world, const char *path, const char *text)
{
	world_put(world, path, slice_str(text));
}

void world_get(struct world *world, const char *path, struct buf *ret_bytes)
{
	const char *name;
	int dir = open_folder(world, path, &name);
	struct err err;

	buf_reset(ret_bytes);
	assert_int_equal(file_read(dir, name, ret_bytes, &err), 0);
	close(dir);
}

bool world_has(struct world *world, const char *path)
{
	return faccessat(world->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- asking --- */

struct client {
	struct world *world;
	const struct wish *wish;
	struct answer *answer;
	struct buf out;
	size_t sent;
	int fd;
	loop_fd_fn on_event;
	struct loop_fd *watch;
	bool late;
};

static void on_closed(void *arg)
{
	struct world *world = arg;

	world->closed++;
	if (world->leaving)
		loop_stop(world->loop);
}

static void close_client(struct client *client)
{
	loop_unwatch(client->watch);
	client->watch = NULL;
	close(client->fd);
}

/* The origin is to find out: the loop runs until it has. */
static void leave(struct client *client)
{
	client->world->leaving = true;
	close_client(client);
}

static void watch(struct client *client, uint32_t events)
{
	struct err err;

	assert_int_equal(loop_watch(client->world->loop, client->fd, events, client->on_event,
				    client, &client->watch, &err),
			 0);
}

/* EPOLLOUT would come for ever, so it is given up when all is sent. */
static void send_more(struct client *client)
{
	ssize_t n = 0;

	while (n >= 0 && client->sent < client->out.len) {
		n = send(client->fd, client->out.data + client->sent,
			 client->out.len - client->sent, MSG_NOSIGNAL);
		client->sent += n > 0 ? (size_t)n : 0;
	}
	/* Refused meanwhile, which is to be read. */
	if (n < 0 && errno != EAGAIN)
		client->sent = client->out.len;
	if (client->sent < client->out.len)
		return;
	loop_unwatch(client->watch);
	watch(client, EPOLLIN);
}

static void on_event(void *arg, uint32_t events)
{
	struct client *client = arg;
	struct buf *raw = &client->answer->raw;
	uint8_t bytes[65536];
	ssize_t n;

	if (events & EPOLLOUT)
		send_more(client);
	if (client->wish->cut_after > 0 && client->sent == client->out.len) {
		leave(client);
		return;
	}
	n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		buf_put(raw, slice_of(bytes, (size_t)n));
	assert_true(buf_ok(raw));
	if (client->wish->stop_after > 0 && raw->len >= client->wish->stop_after) {
		leave(client);
	} else if (n == 0 || (n < 0 && errno != EAGAIN)) {
		close_client(client);
		loop_stop(client->world->loop);
	}
}

static void on_guard(void *arg)
{
	((struct client *)arg)->late = true;
	loop_stop(((struct client *)arg)->world->loop);
}

static void write_chunks(struct buf *out, struct slice body)
{
	while (body.len > 0) {
		size_t len = body.len < CHUNK ? body.len : CHUNK;

		buf_printf(out, "%zx\r\n", len);
		buf_put(out, slice_of(body.data, len));
		buf_put_str(out, "\r\n");
		body = slice_of(body.data + len, body.len - len);
	}
	buf_put_str(out, "0\r\n\r\n");
}

static void write_request(struct client *client)
{
	const struct wish *wish = client->wish;
	struct slice body = wish->json ? slice_str(wish->json) : wish->body;
	struct buf *out = &client->out;

	buf_printf(out, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", wish->line);
	if (wish->headers)
		buf_put_str(out, wish->headers);
	if (wish->with_token)
		buf_put_str(out, (const char *)client->world->token.data);
	if (wish->json)
		buf_put_str(out, "Content-Type: application/json\r\n");
	if (wish->chunked)
		buf_put_str(out, "Transfer-Encoding: chunked\r\n");
	else if (body.len > 0 || wish->line[0] == 'P')
		buf_printf(out, "Content-Length: %zu\r\n", body.len);
	buf_put_str(out, "\r\n");
	if (wish->chunked)
		write_chunks(out, body);
	else
		buf_put(out, body);
	assert_true(buf_ok(out));
	if (wish->cut_after > 0)
		out->len = wish->cut_after;
}

static void read_answer(struct answer *answer)
{
	uint8_t *data = answer->raw.data;
	char *end;

	buf_put_u8(&answer->raw, '\0');
	assert_true(buf_ok(&answer->raw));
	answer->raw.len--;
	data = answer->raw.data;
	if (answer->raw.len == 0)
		return;
	answer->status = (unsigned)strtoul((const char *)data + strlen("HTTP/1.1 "), NULL, 10);
	end = strstr((const char *)data, "\r\n\r\n");
	if (end)
		answer->body =
			slice_of(end + 4, answer->raw.len - (size_t)((uint8_t *)end + 4 - data));
}

void world_ask(struct world *world, const struct wish *wish, struct answer *ret_answer)
{
	struct client client = {
		.world = world,
		.wish = wish,
		.answer = ret_answer,
		.out = BUF_INIT(ANSWER_MAX),
		.on_event = on_event,
	};
	struct loop_timer guard = {.loop = NULL};
	struct err err;
	int pair[2];

	*ret_answer = (struct answer){.raw = BUF_INIT(ANSWER_MAX)};
	write_request(&client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	client.fd = pair[0];
	world->open++;
	world->leaving = false;
	origin_take(world->origin, pair[1], on_closed, world);
	watch(&client, EPOLLIN | EPOLLOUT);
	loop_timer_init(&guard, world->loop, on_guard, &client);
	assert_int_equal(loop_timer_set(&guard, GUARD_US, &err), 0);
	assert_int_equal(loop_run(world->loop, &err), 0);
	loop_timer_clear(&guard);
	assert_false(client.late);
	buf_fini(&client.out);
	read_answer(ret_answer);
}

void answer_fini(struct answer *answer)
{
	buf_fini(&answer->raw);
}

bool answer_has(const struct answer *answer, const char *line)
{
	char wanted[300];
	const char *at;

	(void)snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	at = strstr((const char *)answer->raw.data, wanted);
	return at && at < (const char *)answer->body.data;
}

bool answer_says(const struct answer *answer, const char *text)
{
	return answer->body.len > 0 && strstr((const char *)answer->body.data, text);
}

void world_expect(struct world *world, const struct wish *wish, unsigned status)
{
	CLEANUP(answer_fini) struct answer answer;

	world_ask(world, wish, &answer);
	if (answer.status != status)
		print_error("%s: %s\n", wish->line, (const char *)answer.raw.data);
	assert_int_equal(answer.status, status);
}

void world_login(struct world *world)
{
	const struct wish wish = {
		.line = "POST /login",
		.json = "{\"email\":\"" EMAIL "\",\"password\":\"" PASSWORD "\"}",
	};
	CLEANUP(answer_fini) struct answer answer;
	json_t *object;

	world_ask(world, &wish, &answer);
	assert_int_equal(answer.status, 200);
	object = json_loadb((const char *)answer.body.data, answer.body.len, 0, NULL);
	assert_non_null(object);
	buf_reset(&world->token);
	buf_printf(&world->token, "Authorization: Bearer %s\r\n",
		   json_string_value(json_object_get(object, "token")));
	buf_put_u8(&world->token, '\0');
	assert_true(buf_ok(&world->token));
	json_decref(object);
}
