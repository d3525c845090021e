/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer from another thread costs at least with libmicrohttpd: it reads a body, parks the
 * connection, hands it to a worker, which wakes it up again, and answers with the body. No parsing,
 * no rights, no deadlines, no log.
 *
 *   echo SOCKET	serves until its standard input ends
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "bench/bench.h"

#define BODY_MAX 65536u

struct request {
	struct MHD_Connection *connection;
	struct request *next;
	bool answered;
	size_t len;
	uint8_t body[BODY_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct request *queue;

static void *work(void *arg)
{
	struct request *request;

	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue)
			pthread_cond_wait(&filled, &lock);
		request = queue;
		queue = request->next;
		pthread_mutex_unlock(&lock);
		request->answered = true;
		MHD_resume_connection(request->connection);
	}
	return arg;
}

static void hand_over(struct request *request, struct MHD_Connection *connection)
{
	request->connection = connection;
	MHD_suspend_connection(connection);
	pthread_mutex_lock(&lock);
	request->next = queue;
	queue = request;
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&lock);
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct request *request)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(request->len, request->body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_queue_response(connection, 200, response);

	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_step(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *data_len, void **context)
{
	struct request *request = *context;

	(void)cls;
	(void)url;
	(void)method;
	(void)version;
	if (!request) {
		*context = malloc(sizeof(struct request));
		if (!*context)
			return MHD_NO;
		request = *context;
		request->answered = false;
		request->len = 0;
		return MHD_YES;
	}
	if (*data_len > 0) {
		if (*data_len > BODY_MAX - request->len)
			return MHD_NO;
		memcpy(request->body + request->len, data, *data_len);
		request->len += *data_len;
		*data_len = 0;
		return MHD_YES;
	}
	if (request->answered)
		return answer(connection, request);
	hand_over(request, connection);
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)connection;
	(void)code;
	free(*context);
}

/* It complains of socket options that Unix sockets lack. */
static void on_log(void *cls, const char *format, va_list args)
{
	(void)cls;
	(void)format;
	(void)args;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		bench_die("the socket's path is too long");
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		bench_die("cannot listen on %s", path);
	return fd;
}

int main(int argc, char **argv)
{
	struct MHD_Daemon *daemon;
	pthread_t worker;

	if (argc != 2)
		bench_die("usage: echo SOCKET");
	if (pthread_create(&worker, NULL, work, NULL) != 0)
		bench_die("cannot start a thread");
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
				  NULL, on_step, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				  MHD_OPTION_LISTEN_SOCKET, listen_on(argv[1]),
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!daemon)
		bench_die("cannot start libmicrohttpd");
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (getchar() != EOF)
		continue;
	return 0;
}
