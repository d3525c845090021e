/* SPDX-License-Identifier: Apache-2.0 */
/* The session of a world: the API answers as the world says, on the next turn of the loop. */
#include "loader/test_world.h"

#include <stdio.h>

int session_cdn(struct session *session, const struct resource *resource, enum resource_part part,
		enum fetch_method method, const uint8_t *sha256, struct cdn_request *ret_request,
		struct err *err)
{
	static char url[RESOURCE_FOLDER_MAX + RESOURCE_FILE_MAX + 32];
	char file[RESOURCE_FILE_MAX + 1];

	(void)session;
	assert_int_equal(method, FETCH_GET);
	assert_null(sha256);
	assert_int_equal(resource_file(resource->name, part, file, err), 0);
	(void)snprintf(url, sizeof(url), "https://cdn/%.*s/%s", (int)resource->folder.len,
		       (const char *)resource->folder.data, file);
	*ret_request = (struct cdn_request){.request = {.url = url}};
	return 0;
}

void cdn_request_fini(struct cdn_request *request)
{
	(void)request;
}

struct session_call {
	struct loop_timer timer;
	session_bytes_fn done;
	void *arg;
	const struct slice *bytes;
	const int *code;
};

static void answer(void *arg)
{
	struct session_call call = *(struct session_call *)arg;
	struct err err;

	free(arg);
	if (*call.code) {
		(void)err_set(&err, *call.code, "the API says no");
		call.done(call.arg, slice_of(NULL, 0), &err);
	} else {
		call.done(call.arg, *call.bytes, NULL);
	}
}

static int ask(const struct session_call *as, struct session_call **ret_call, struct err *err)
{
	struct session_call *call;

	if (the_world->at_once && *as->code)
		return err_set(err, *as->code, "the API says no");
	call = calloc(1, sizeof(*call));
	assert_non_null(call);
	*call = *as;
	loop_timer_init(&call->timer, the_world->loop, answer, call);
	assert_int_equal(loop_timer_set(&call->timer, 0, err), 0);
	*ret_call = call;
	return 0;
}

int session_small(struct session *session, const struct resource *resource, session_bytes_fn done,
		  void *arg, struct session_call **ret_call, struct err *err)
{
	const struct session_call call = {.done = done,
					  .arg = arg,
					  .bytes = &the_world->small_answer,
					  .code = &the_world->small_code};

	(void)session;
	(void)resource;
	the_world->small_asked++;
	return ask(&call, ret_call, err);
}

int session_manifest(struct session *session, const struct resource *resource,
		     session_bytes_fn done, void *arg, struct session_call **ret_call,
		     struct err *err)
{
	const struct session_call call = {.done = done,
					  .arg = arg,
					  .bytes = &the_world->manifest_answer,
					  .code = &the_world->manifest_code};

	(void)session;
	(void)resource;
	the_world->manifest_asked++;
	return ask(&call, ret_call, err);
}

int session_hurry(struct session_call *call, uint64_t limit_us, struct err *err)
{
	(void)call;
	(void)err;
	assert_int_equal(limit_us, 5000000);
	the_world->hurried++;
	return 0;
}

bool session_is_silent(const struct session *session)
{
	(void)session;
	return the_world->silent;
}

int session_device_key(struct session *session, const struct resource *resource,
		       const uint8_t manifest[MANIFEST_DIGEST], session_bytes_fn done, void *arg,
		       struct session_call **ret_call, struct err *err)
{
	const struct session_call call = {.done = done,
					  .arg = arg,
					  .bytes = &the_world->key_answer,
					  .code = &the_world->key_code};

	(void)session;
	(void)resource;
	(void)manifest;
	the_world->key_asked++;
	return ask(&call, ret_call, err);
}

void session_leave(struct session_call *call)
{
	if (call)
		loop_timer_clear(&call->timer);
	free(call);
}
