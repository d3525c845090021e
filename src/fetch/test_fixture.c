/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/test_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "base/mem.h"
#include "fetch/impl.h"

#define REQUEST_MAX (1u << 20)
#define DRIP_MS	    5
#define PATIENT_US  UINT64_C(60000000)

/* --- the server --- */

struct connection {
	struct server *server;
	int fd;
};

/* True when there is something to read; false when all is to end. */
static bool wait_for(const struct server *server, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = server->stop[0], .events = POLLIN}};

	while (poll(fds, 2, -1) < 0)
		;
	return fds[1].revents == 0;
}

/* The same for the other end's, with what it sent unread. */
static void wait_for_end(const struct server *server, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLRDHUP},
			       {.fd = server->stop[0], .events = POLLIN}};

	while (poll(fds, 2, -1) < 0)
		;
}

static bool get(const struct server *server, int fd, char *at, size_t size, size_t *ret_len)
{
	ssize_t n;

	if (!wait_for(server, fd))
		return false;
	n = recv(fd, at, size, 0);
	*ret_len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void note(struct server *server, const char *bytes, size_t len)
{
	(void)pthread_mutex_lock(&server->lock);
	buf_put(&server->log, slice_of(bytes, len));
	(void)pthread_mutex_unlock(&server->lock);
}

/* Byte by byte: what comes behind is the body. */
static bool read_head(struct server *server, int fd, char *head, size_t size)
{
	size_t len = 0, one;

	while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
		if (len == size - 1 || !get(server, fd, head + len, 1, &one))
			return false;
		len++;
	}
	head[len] = '\0';
	note(server, head, len);
	return true;
}

static bool read_body(struct server *server, int fd, size_t len)
{
	char piece[4096];
	size_t n;

	for (; len > 0; len -= n) {
		if (!get(server, fd, piece, len < sizeof(piece) ? len : sizeof(piece), &n))
			return false;
		note(server, piece, n);
	}
	return true;
}

static bool put(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	for (; len > 0; bytes += n, len -= (size_t)n) {
		n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static void drip(const struct server *server, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLRDHUP},
			       {.fd = server->stop[0], .events = POLLIN}};

	while (poll(fds, 2, DRIP_MS) == 0 && put(fd, "x", 1))
		;
}

static bool answer(int fd, const struct script *script)
{
	char piece[16384];
	size_t left, n;

	if (!script->answer || !put(fd, script->answer, strlen(script->answer)))
		return false;
	memset(piece, 'x', sizeof(piece));
	for (left = script->body; left > 0; left -= n) {
		n = left < sizeof(piece) ? left : sizeof(piece);
		if (!put(fd, piece, n))
			return false;
	}
	return true;
}

static const struct script *script_of(const struct server *server, const char *head)
{
	const char *path = strchr(head, ' ');
	size_t i, len;

	path = path ? path + 1 : "";
	len = strcspn(path, " ?");
	for (i = 0; i < server->count; i++)
		if (strlen(server->scripts[i].path) == len &&
		    memcmp(server->scripts[i].path, path, len) == 0)
			return &server->scripts[i];
	return NULL;
}

static size_t body_of(const char *head)
{
	const char *field = strstr(head, "\r\nContent-Length: ");

	return field ? strtoul(field + 18, NULL, 10) : 0;
}

/* One request; true when another may follow. */
static bool serve_one(struct server *server, int fd, bool *silent)
{
	static const struct script lost = {.answer =
						   "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
	const struct script *script;
	char head[65536], piece[4096];
	size_t body, n, first;

	if (!read_head(server, fd, head, sizeof(head)))
		return false;
	script = script_of(server, head);
	script = script ? script : &lost;
	body = script->deaf ? 0 : body_of(head);
	first = script->early && body > 0 ? 1 : body;
	if (!read_body(server, fd, first) || *silent || !answer(fd, script) ||
	    !read_body(server, fd, body - first))
		if (script->then != STALL)
			return false;
	*silent = script->then == KEEP_ONCE;
	if (script->deaf)
		wait_for_end(server, fd);
	if (script->then == DRIP)
		drip(server, fd);
	while (script->then == STALL && get(server, fd, piece, sizeof(piece), &n))
		;
	return script->then == KEEP || script->then == KEEP_ONCE;
}

static void *serve(void *arg)
{
	struct connection connection = *(struct connection *)arg;
	struct server *server = connection.server;
	bool silent = false;

	free(arg);
	while (serve_one(server, connection.fd, &silent))
		;
	close(connection.fd);
	(void)pthread_mutex_lock(&server->lock);
	server->open--;
	(void)pthread_cond_broadcast(&server->changed);
	(void)pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void take(struct server *server, int listener)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	pthread_t thread;

	if (!connection)
		abort();
	*connection = (struct connection){server, accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
	(void)pthread_mutex_lock(&server->lock);
	server->open++;
	server->accepted++;
	(void)pthread_mutex_unlock(&server->lock);
	if (pthread_create(&thread, NULL, serve, connection) != 0)
		abort();
	(void)pthread_detach(thread);
}

static void *listen_tcp(void *arg)
{
	struct server *server = arg;

	while (wait_for(server, server->listeners[0]))
		take(server, server->listeners[0]);
	return NULL;
}

static void *listen_unix(void *arg)
{
	struct server *server = arg;

	while (wait_for(server, server->listeners[1]))
		take(server, server->listeners[1]);
	return NULL;
}

static void open_listeners(struct server *server)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(v4);
	const char *temp = getenv("TMPDIR");

	if (!temp || strlen(temp) > 32)
		temp = "/tmp";
	(void)snprintf(server->folder, sizeof(server->folder), "%s/hf-fetch-XXXXXX", temp);
	assert_non_null(mkdtemp(server->folder));
	(void)snprintf(server->path, sizeof(server->path), "%s/sock", server->folder);
	memcpy(local.sun_path, server->path, strlen(server->path) + 1);
	server->listeners[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server->listeners[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listeners[0], (struct sockaddr *)&v4, sizeof(v4)), 0);
	assert_int_equal(bind(server->listeners[1], (struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(listen(server->listeners[0], 16), 0);
	assert_int_equal(listen(server->listeners[1], 16), 0);
	assert_int_equal(getsockname(server->listeners[0], (struct sockaddr *)&v4, &len), 0);
	server->port = ntohs(v4.sin_port);
}

void server_start(struct server *server, const struct script *scripts, size_t count)
{
	*server = (struct server){
		.scripts = scripts, .count = count, .log = BUF_INIT(16u * REQUEST_MAX)};
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)pthread_cond_init(&server->changed, NULL);
	assert_int_equal(pipe(server->stop), 0);
	open_listeners(server);
	assert_int_equal(pthread_create(&server->threads[0], NULL, listen_tcp, server), 0);
	assert_int_equal(pthread_create(&server->threads[1], NULL, listen_unix, server), 0);
}

void server_stop(struct server *server)
{
	close(server->stop[1]);
	(void)pthread_join(server->threads[0], NULL);
	(void)pthread_join(server->threads[1], NULL);
	(void)pthread_mutex_lock(&server->lock);
	while (server->open > 0)
		(void)pthread_cond_wait(&server->changed, &server->lock);
	(void)pthread_mutex_unlock(&server->lock);
	close(server->stop[0]);
	close(server->listeners[0]);
	close(server->listeners[1]);
	(void)unlink(server->path);
	(void)rmdir(server->folder);
	buf_fini(&server->log);
}

unsigned server_accepted(struct server *server)
{
	unsigned accepted;

	(void)pthread_mutex_lock(&server->lock);
	accepted = server->accepted;
	(void)pthread_mutex_unlock(&server->lock);
	return accepted;
}

bool server_saw(struct server *server, const char *text)
{
	bool saw;

	(void)pthread_mutex_lock(&server->lock);
	saw = server->log.len > 0 &&
	      memmem(server->log.data, server->log.len, text, strlen(text)) != NULL;
	(void)pthread_mutex_unlock(&server->lock);
	return saw;
}

void server_forget(struct server *server)
{
	(void)pthread_mutex_lock(&server->lock);
	buf_reset(&server->log);
	(void)pthread_mutex_unlock(&server->lock);
}

const char *server_url(const struct server *server, const char *path)
{
	static char urls[4][512];
	static unsigned next;
	char *url = urls[next++ % 4];

	(void)snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%u%s", server->port, path);
	return url;
}

/* --- the client --- */

static void maybe_stop(struct client *client)
{
	if (--client->running == 0)
		loop_stop(client->loop);
}

static void cancel(struct client *client)
{
	fetch_cancel(TAKE(client->transfer));
	maybe_stop(client);
}

static void copy(char *text, size_t size, const char *from)
{
	(void)snprintf(text, size, "%s", from);
}

static int on_head(void *arg, const struct fetch_head *head, struct err *err)
{
	struct client *client = arg;

	assert_int_equal(client->data.len, 0);
	client->heads++;
	client->head = *head;
	copy(client->etag, sizeof(client->etag), head->etag);
	copy(client->type, sizeof(client->type), head->type);
	copy(client->modified, sizeof(client->modified), head->modified);
	if (client->cancel_in_head)
		cancel(client);
	if (client->resume_in_head)
		fetch_resume(client->transfer);
	return client->fail_head ? err_set(err, ERR_QUOTA, "own head") : 0;
}

static int on_data(void *arg, struct slice bytes, struct err *err)
{
	struct client *client = arg;

	assert_int_equal(client->heads, 1);
	buf_put(&client->data, bytes);
	if (client->idle_us > 0)
		limit_idle(client->transfer, client->idle_us);
	if (client->cancel_in_data)
		cancel(client);
	return client->fail_data ? err_set(err, ERR_QUOTA, "own data") : 0;
}

void limit_idle(struct fetch_transfer *transfer, uint64_t idle_us)
{
	transfer->idle_us = idle_us;
	fetch_timer(&transfer->idle_timer, idle_us);
}

/* Short only while nobody is to blame, so that a machine that is busy does not end a transfer. */
static void on_sleep(void *arg)
{
	const struct client *client = arg;
	struct fetch_transfer *transfer = client->transfer;
	bool waits = transfer && (transfer->held || transfer->hungry);

	if (!transfer || client->held_us == 0)
		return;
	if (!waits)
		transfer->idle_us = PATIENT_US;
	else if (transfer->idle_us != client->held_us)
		limit_idle(transfer, client->held_us);
}

static void on_later(void *arg)
{
	struct client *client = arg;

	fetch_resume(client->transfer);
}

static int on_more(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err)
{
	struct client *client = arg;
	int r;

	assert_true(size > 0);
	if (client->fail_more)
		return err_set(err, ERR_QUOTA, "own more");
	if (client->cancel_in_more)
		cancel(client);
	*ret_len = 0;
	/* Once the head is there nobody resumes it again, and the head may be there before we wait.
	 */
	if (client->waits > 0 && !(client->resume_in_head && client->heads > 0)) {
		client->waits--;
		if (client->resume_in_head)
			return 0;
		r = loop_timer_set(&client->later, client->later_us ? client->later_us : 1000, err);
		assert_int_equal(r, 0);
		return 0;
	}
	*ret_len = client->gives > 0 && client->gives < size ? client->gives : size;
	memset(at, 'y', *ret_len);
	if (client->gives > 0)
		client->waits = 1;
	return 0;
}

static void on_done(void *arg, const struct fetch_result *result)
{
	struct client *client = arg;

	client->ends++;
	client->end = result->end;
	client->status = result->status;
	client->retry_after = result->retry_after;
	client->code = result->err ? result->err->code : 0;
	copy(client->text, sizeof(client->text), result->err ? result->err->text : "");
	client->transfer = NULL;
	maybe_stop(client);
}

const struct fetch_ops client_ops = {
	.head = on_head, .data = on_data, .more = on_more, .done = on_done};

void client_start(struct client *client, bool dev)
{
	const struct fetch_config config = {.dev = dev, .agent = "fetch-test/1"};
	struct err err;

	*client = (struct client){.data = BUF_INIT(64u << 20)};
	assert_int_equal(loop_new(&client->loop, &err), 0);
	assert_int_equal(fetch_new(client->loop, &config, &client->fetch, &err), 0);
	loop_timer_init(&client->later, client->loop, on_later, client);
	loop_before_sleep(client->loop, on_sleep, client);
}

void client_stop(struct client *client)
{
	loop_timer_clear(&client->later);
	fetch_free(client->fetch);
	loop_free(client->loop);
	buf_fini(&client->data);
}

void client_reset(struct client *client)
{
	struct client fresh = {.loop = client->loop, .fetch = client->fetch};

	buf_fini(&client->data);
	loop_timer_clear(&client->later);
	*client = fresh;
	client->data = (struct buf)BUF_INIT(64u << 20);
	loop_timer_init(&client->later, client->loop, on_later, client);
}

void client_begin(struct client *client, const struct fetch_request *request)
{
	struct err err = {.text = ""};

	if (fetch_start(client->fetch, request, &client_ops, client, &client->transfer, &err) < 0)
		fail_msg("%s: %s", request->url, err.text);
	client->running++;
}

void client_run(struct client *client)
{
	struct err err;

	/* Another that shares the loop may stop it first. */
	while (client->running > 0)
		assert_int_equal(loop_run(client->loop, &err), 0);
}

void client_fetch(struct client *client, const struct fetch_request *request)
{
	client_reset(client);
	client_begin(client, request);
	assert_int_equal(client->ends, 0);
	client_run(client);
}
