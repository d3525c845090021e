/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F1 and F4: who logs in, and images that need no login. Email and password are only ever in memory
 * that is wiped: the request's body, the JSON that is read of it, and the loader's own. The first
 * two are gone when the loader has copied them, long before the answer.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/json.h"
#include "front/impl.h"

struct ask {
	struct front_wait wait;
	struct http_request *request;
	struct loader_login *login; /* one of the two */
	struct loader_unlock *unlock;
	unsigned status; /* of a good answer */
};

/* The ask ends; its request. */
static struct http_request *end(struct ask *ask)
{
	struct http_request *request = ask->request;

	front_wait_end(&ask->wait);
	free(ask);
	return request;
}

static void leave(struct ask *ask)
{
	loader_login_leave(ask->login);
	loader_unlock_leave(ask->unlock);
}

static void on_gone(void *arg)
{
	leave(arg);
	http_answer_empty(end(arg));
}

static void stop(struct front_wait *wait, const struct err *err)
{
	struct ask *ask = (struct ask *)wait;

	leave(ask);
	http_answer_error(end(ask), err);
}

static void on_login(void *arg, const struct err *err)
{
	struct http_request *request = end(arg);

	if (err)
		http_answer_error(request, err);
	else
		front_answer_ok(request);
}

static void on_unlock(void *arg, enum unlock_state state, const struct err *err)
{
	unsigned status = ((struct ask *)arg)->status;
	struct http_request *request = end(arg);

	if (err)
		http_answer_error(request, err);
	else
		front_answer_as(request, status,
				json_pack("{s:s}", "state", unlock_state_name(state)));
}

static int ask_login(struct loader *loader, struct slice email, struct slice password,
		     struct ask *ask, struct err *err)
{
	return loader_login(loader, email, password, on_login, ask, &ask->login, err);
}

static int ask_unlock(struct loader *loader, struct slice email, struct slice password,
		      struct ask *ask, struct err *err)
{
	return loader_unlock(loader, email, password, on_unlock, ask, &ask->unlock, err);
}

typedef int (*ask_fn)(struct loader *loader, struct slice email, struct slice password,
		      struct ask *ask, struct err *err);

static int ask_new(struct http_request *request, unsigned status, struct ask **ret_ask,
		   struct err *err)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return err_set(err, ERR_INTERNAL, "memory is short");
	ask->request = request;
	ask->status = status;
	*ret_ask = ask;
	return 0;
}

static void wait_for(struct ask *ask, struct front *front)
{
	ask->wait.stop = stop;
	front_wait_begin(front, &ask->wait);
	http_request_suspend(ask->request, on_gone, ask);
}

static int begin(struct http_request *request, struct front *front, ask_fn with, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	CLEANUP(mem_free_cleanup) struct ask *ask = NULL;
	struct slice email, password;
	int r;

	r = front_body(request, &body, err);
	if (r == 0)
		r = front_text(body, "email", &email, err);
	if (r == 0)
		r = front_text(body, "password", &password, err);
	if (r == 0)
		r = ask_new(request, 200, &ask, err);
	if (r < 0)
		return r;
	r = with(front->loader, email, password, ask, err);
	if (r < 0)
		return r;
	http_request_drop_body(request);
	wait_for(TAKE(ask), front);
	return 0;
}

void front_login(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, ask_login, &err) < 0)
		http_answer_error(request, &err);
}

void front_unlock(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, ask_unlock, &err) < 0)
		http_answer_error(request, &err);
}

void front_images(struct http_request *request, struct front *front,
		  const struct resource *resource)
{
	CLEANUP(mem_free_cleanup) struct ask *ask = NULL;
	struct err err;
	int r = ask_new(request, 202, &ask, &err);

	if (r == 0)
		r = loader_images(front->loader, resource, on_unlock, ask, &ask->unlock, &err);
	if (r == 0)
		wait_for(TAKE(ask), front);
	else
		http_answer_error(request, &err);
}
