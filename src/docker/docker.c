/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call is one transfer over the socket. What differs between them is a row: the method, what
 * status is success, and who is told. A load pulls its body from its source, and reads its answer
 * as it comes, since that may be long.
 */
#include "docker/docker.h"

#include "docker/impl.h"

#define ANSWER_MAX  (1024u * 1024u)
#define STREAM_MAX  (16u * 1024u * 1024u) /* progress, one line for half a megabyte of image */
#define SAID_MAX    4096u		  /* of an answer to a load that is no success */
#define IDLE_S	    60u
#define LOAD_IDLE_S (15u * 60u) /* podman says nothing until it has unpacked all */

struct docker {
	struct fetch *fetch;
	char *socket;
	struct fetch_transfer *transfer; /* NULL: nothing is at work */
	void *arg;
	docker_done_fn done;
	docker_id_fn id;
	/* of a load */
	struct docker_source source;
	uint64_t left;	 /* bytes that it has not given yet */
	unsigned status; /* of the answer, 0 before there is one */
	struct answer answer;
	struct buf said;
};

int docker_new(struct fetch *fetch, const char *socket, struct docker **ret_docker, struct err *err)
{
	CLEANUP(docker_cleanup) struct docker *docker = calloc(1, sizeof(*docker));

	if (!docker)
		return err_set(err, ERR_INTERNAL, "memory is short");
	answer_init(&docker->answer);
	docker->said.max = SAID_MAX;
	docker->fetch = fetch;
	docker->socket = strdup(socket);
	if (!docker->socket)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_docker = TAKE(docker);
	return 0;
}

void docker_free(struct docker *docker)
{
	if (!docker)
		return;
	fetch_cancel(docker->transfer);
	answer_fini(&docker->answer);
	buf_fini(&docker->said);
	free(docker->socket);
	free(docker);
}

static int not_busy(const struct docker *docker, struct err *err)
{
	if (docker->transfer)
		return err_set(err, ERR_CONFLICT, "Docker is being asked something already");
	return 0;
}

/* Without the host of our URLs, which is nowhere: it all goes over the socket. */
static const char *why(const struct fetch_result *result)
{
	static const char host[] = "docker:80: ";
	const char *text = result->err ? result->err->text : "";

	return strncmp(text, host, sizeof(host) - 1) == 0 ? text + sizeof(host) - 1 : text;
}

/* 0 when there is a whole answer of a status that is success. */
static int judge(const struct fetch_result *result, struct slice body, struct err *err)
{
	static const char *const ends[] = {
		[FETCH_UNREACHABLE] = "Docker does not answer",
		[FETCH_BROKEN] = "Docker has ended the connection",
		[FETCH_REFUSED] = "Docker's answer is none",
	};

	if (result->end == FETCH_DONE)
		return result->status >= 200 && result->status < 300
			       ? 0
			       : answer_refused(result->status, body, err);
	if (result->end == FETCH_STOPPED) {
		*err = *result->err;
		return err->code;
	}
	return err_set(err, result->end == FETCH_REFUSED ? ERR_INTERNAL : ERR_TIMEOUT, "%s: %.100s",
		       ends[result->end], why(result));
}

/* --- calls with small answers --- */

static void on_small(void *arg, const struct fetch_result *result, struct slice body)
{
	struct docker *docker = arg;
	docker_id_fn id = docker->id;
	char text[DOCKER_ID_MAX] = "";
	struct err err = {0};
	int r = judge(result, body, &err);

	docker->transfer = NULL;
	if (r == 0 && id)
		r = answer_id(body, text, &err);
	if (id)
		id(docker->arg, r < 0 ? NULL : text, r < 0 ? &err : NULL);
	else
		docker->done(docker->arg, r < 0 ? &err : NULL);
}

static int ask(struct docker *docker, enum fetch_method method, const struct buf *url,
	       struct err *err)
{
	const struct fetch_request request = {.method = method,
					      .url = (const char *)url->data,
					      .unix_socket = docker->socket,
					      .max = ANSWER_MAX,
					      .idle_s = IDLE_S};

	return fetch_whole(docker->fetch, &request, on_small, docker, &docker->transfer, err);
}

int docker_image(struct docker *docker, const char *ref, docker_id_fn done, void *arg,
		 struct err *err)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	int r = not_busy(docker, err);

	if (r == 0)
		r = url_image(ref, &url, err);
	if (r < 0)
		return r;
	docker->id = done;
	docker->arg = arg;
	return ask(docker, FETCH_GET, &url, err);
}

static int change(struct docker *docker, enum fetch_method method, const struct buf *url,
		  docker_done_fn done, void *arg, struct err *err)
{
	docker->id = NULL;
	docker->done = done;
	docker->arg = arg;
	return ask(docker, method, url, err);
}

int docker_tag(struct docker *docker, const char *id, const char *ref, docker_done_fn done,
	       void *arg, struct err *err)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	int r = not_busy(docker, err);

	if (r == 0)
		r = url_tag(id, ref, &url, err);
	return r < 0 ? r : change(docker, FETCH_POST, &url, done, arg, err);
}

int docker_untag(struct docker *docker, const char *ref, docker_done_fn done, void *arg,
		 struct err *err)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	int r = not_busy(docker, err);

	if (r == 0)
		r = url_untag(ref, &url, err);
	return r < 0 ? r : change(docker, FETCH_DELETE, &url, done, arg, err);
}

/* --- the load --- */

static bool load_refused(const struct docker *docker)
{
	return docker->status != 0 && (docker->status < 200 || docker->status >= 300);
}

static int on_head(void *arg, const struct fetch_head *head, struct err *err)
{
	struct docker *docker = arg;

	(void)err;
	docker->status = head->status;
	return 0;
}

static int on_data(void *arg, struct slice bytes, struct err *err)
{
	struct docker *docker = arg;
	size_t room = SAID_MAX - docker->said.len;

	if (!load_refused(docker))
		return answer_add(&docker->answer, bytes, err);
	buf_put(&docker->said, slice_of(bytes.data, bytes.len < room ? bytes.len : room));
	return 0;
}

static int on_more(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err)
{
	struct docker *docker = arg;
	size_t len = 0;
	int r;

	if (size > docker->left)
		size = (size_t)docker->left;
	r = docker->source.more(docker->arg, at, size, &len, err);
	if (r < 0)
		return r;
	docker->left -= len;
	*ret_len = len;
	return 0;
}

/* An engine that says that it has loaded what it did not wait for has loaded something else. */
static int judge_load(struct docker *docker, const struct fetch_result *result, struct err *err)
{
	int r;

	if (load_refused(docker) && result->end != FETCH_STOPPED)
		return answer_refused(docker->status, buf_slice(&docker->said), err);
	r = judge(result, slice_of(NULL, 0), err);
	if (r == 0)
		r = answer_end(&docker->answer, err);
	if (r == 0 && docker->left > 0)
		r = err_set(err, ERR_INTERNAL, "Docker has not taken all of the archive");
	return r;
}

static void on_loaded(void *arg, const struct fetch_result *result)
{
	struct docker *docker = arg;
	struct err err = {0};
	int r = judge_load(docker, result, &err);

	docker->transfer = NULL;
	docker->source.done(docker->arg, r < 0 ? &err : NULL);
}

static void load_begin(struct docker *docker, uint64_t length, const struct docker_source *source,
		       void *arg)
{
	docker->source = *source;
	docker->arg = arg;
	docker->left = length;
	docker->status = 0;
	buf_reset(&docker->said);
	answer_fini(&docker->answer);
	answer_init(&docker->answer);
	docker->answer.loaded = source->loaded;
	docker->answer.arg = arg;
}

int docker_load(struct docker *docker, uint64_t length, const struct docker_source *source,
		void *arg, struct err *err)
{
	static const struct fetch_header type = {"Content-Type", "application/x-tar", false};
	static const struct fetch_ops ops = {on_head, on_data, on_more, on_loaded};
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	int r = not_busy(docker, err);

	if (r == 0 && length == 0)
		r = err_set(err, ERR_INVALID, "an archive without a byte is none");
	if (r == 0)
		r = url_load(&url, err);
	if (r < 0)
		return r;
	load_begin(docker, length, source, arg);
	return fetch_start(docker->fetch,
			   &(const struct fetch_request){.method = FETCH_POST,
							 .url = (const char *)url.data,
							 .unix_socket = docker->socket,
							 .headers = &type,
							 .header_count = 1,
							 .body_length = length,
							 .max = STREAM_MAX,
							 .idle_s = LOAD_IDLE_S},
			   &ops, docker, &docker->transfer, err);
}

void docker_load_resume(struct docker *docker)
{
	if (docker->transfer)
		fetch_resume(docker->transfer);
}
