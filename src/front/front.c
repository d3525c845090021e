/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes, and a connection's life. */
#include "front/front.h"

#include <stdlib.h>
#include <unistd.h>

#include "front/impl.h"
#include "loader/fault.h"

#define REQUEST_S 30u
#define IDLE_S	  60u
#define ANSWER_S  30u

static const struct http_route ROUTES[FRONT_ROUTES] = {
	{.method = HTTP_POST,
	 .path = "/login",
	 .right = FRONT_LOGIN,
	 .body = HTTP_BODY_JSON,
	 .handler = front_login},
	{.method = HTTP_POST,
	 .path = "/load/{filename}",
	 .right = FRONT_LOAD,
	 .body = HTTP_BODY_JSON,
	 .handler = front_load},
	/* Its stream_max is the configuration's. */
	{.method = HTTP_POST,
	 .path = "/upload/{filename}",
	 .right = FRONT_UPLOAD,
	 .body = HTTP_BODY_FORM,
	 .handler = front_upload},
	{.method = HTTP_POST,
	 .path = "/unlock",
	 .right = FRONT_UNLOCK,
	 .body = HTTP_BODY_JSON,
	 .handler = front_unlock},
	{.method = HTTP_GET,
	 .path = "/unlock/status",
	 .right = FRONT_SHOW,
	 .handler = front_unlock_status},
	{.method = HTTP_GET, .path = "/health", .right = FRONT_SHOW, .handler = front_health},
	{.method = HTTP_GET, .path = "/status", .right = FRONT_SHOW, .handler = front_status},
	{.method = HTTP_GET, .path = "/v2/status", .right = FRONT_V2, .handler = front_v2_status},
	{.method = HTTP_GET,
	 .path = "/v2/artifacts/{name}",
	 .right = FRONT_ARTIFACT,
	 .handler = front_artifact_get},
	{.method = HTTP_HEAD,
	 .path = "/v2/artifacts/{name}",
	 .right = FRONT_ARTIFACT,
	 .handler = front_artifact_get},
	{.method = HTTP_POST,
	 .path = "/v2/artifacts/{name}",
	 .right = FRONT_ARTIFACT,
	 .body = HTTP_BODY_JSON,
	 .handler = front_artifact_post},
	{.method = HTTP_DELETE,
	 .path = "/v2/artifacts/{name}",
	 .right = FRONT_V2,
	 .handler = front_cancel},
};

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	(void)app;
	(void)route;
	(void)err;
	((struct front_peer *)peer)->refused = false;
	return 0;
}

static void refused(void *app, void *peer, const struct http_route *route, const struct err *err)
{
	(void)app;
	(void)route;
	(void)err;
	((struct front_peer *)peer)->refused = true;
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	(void)app;
	(void)peer;
	(void)route;
}

static void closed(void *app, void *arg)
{
	struct front_peer *peer = arg;

	(void)app;
	peer->closed(peer->arg);
	free(peer);
}

static const struct http_ops OPS = {
	.admit = admit,
	.refused = refused,
	.finished = finished,
	.closed = closed,
	.tell = front_tell,
	.greet = front_greet,
};

int front_new(struct loop *loop, struct loader *loader, const struct front_config *config,
	      struct front **ret_front, struct err *err)
{
	const struct http_limits limits = {
		.json_max = FRONT_JSON_MAX,
		.request_s = REQUEST_S,
		.idle_s = IDLE_S,
		.answer_s = ANSWER_S,
		.connections = config->connections,
	};
	CLEANUP(front_cleanup) struct front *front = calloc(1, sizeof(*front));
	size_t i;
	int r;

	if (!front)
		return err_set(err, ERR_INTERNAL, "memory is short");
	front->loader = loader;
	front->config = *config;
	front->machine = (struct front_machine){.provider = "legacy", .reason = "not known yet"};
	for (i = 0; i < FRONT_ROUTES; i++)
		front->routes[i] = ROUTES[i];
	for (i = 0; i < FRONT_ROUTES; i++)
		if (front->routes[i].body == HTTP_BODY_FORM)
			front->routes[i].stream_max =
				config->upload_max < UINT64_MAX - FRONT_FORM_ROOM
					? config->upload_max + FRONT_FORM_ROOM
					: UINT64_MAX;
	r = http_new(loop, front->routes, FRONT_ROUTES, &limits, &OPS, front, &front->http, err);
	if (r < 0)
		return r;
	*ret_front = TAKE(front);
	return 0;
}

void front_free(struct front *front)
{
	if (!front)
		return;
	http_free(front->http);
	free(front);
}

void front_set_machine(struct front *front, const struct front_machine *machine)
{
	front->machine = *machine;
}

void front_take(struct front *front, int fd, void (*closed_fn)(void *arg), void *arg)
{
	struct front_peer *peer = calloc(1, sizeof(*peer));
	struct err err;

	if (!peer) {
		close(fd);
		closed_fn(arg);
		return;
	}
	*peer = (struct front_peer){.front = front, .closed = closed_fn, .arg = arg};
	/* http closes the socket when it fails. */
	if (http_add(front->http, fd, peer, &err) < 0)
		closed(front, peer);
}

void front_wait_begin(struct front *front, struct front_wait *wait)
{
	wait->front = front;
	wait->prev = NULL;
	wait->next = front->waits;
	if (wait->next)
		wait->next->prev = wait;
	front->waits = wait;
}

void front_wait_end(struct front_wait *wait)
{
	struct front *front = TAKE(wait->front);

	if (!front)
		return;
	if (wait->prev)
		wait->prev->next = wait->next;
	else
		front->waits = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
}

bool front_drain(struct front *front)
{
	struct err err;

	(void)err_set(&err, FAULT_BUSY, "the loader is stopping");
	while (front->waits)
		front->waits->stop(front->waits, &err);
	return http_drain(front->http) == 0;
}
