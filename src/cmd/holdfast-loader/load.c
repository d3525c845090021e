/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resource or an artifact comes when the loader has all of it and has checked it, which may be
 * long after it was asked for; until then its status is looked at for the bar. The file gets its
 * name when the last byte is in it.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfast-loader/verbs.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/progress.h"

#define BODY_MAX     2048u
#define PATH_MAX_LEN 512u

struct load {
	struct ask *ask;
	struct io_out out;
	struct progress progress;
	uint64_t left; /* bytes to come, where they are counted */
	bool counted;
	int result;
};

static void begin(void *arg, bool length_known, uint64_t length)
{
	struct load *load = arg;

	load->counted = length_known;
	load->left = length_known ? length : 0;
	progress_end(&load->progress);
	progress_begin(&load->progress, "loading", length_known ? length : PROGRESS_TOTAL_UNKNOWN,
		       true);
}

static int data(void *arg, struct slice bytes, struct err *err)
{
	struct load *load = arg;

	if (load->counted && bytes.len > load->left)
		return err_set(err, ERR_INTERNAL, "more bytes came than were announced");
	load->left -= load->counted ? bytes.len : 0;
	progress_move(&load->progress, bytes.len, bytes.len);
	return io_out_write(&load->out, bytes, err);
}

static void done(void *arg, int result)
{
	struct load *load = arg;

	load->result = result;
	if (result == 0 && (!load->counted || load->left > 0))
		load->result = ask_fail(load->ask, "broken", "the answer ended early");
	loop_stop(load->ask->loop);
}

static int receive(struct load *load, const struct ask_question *question)
{
	static const struct ask_stream STREAM = {.begin = begin, .data = data, .done = done};
	struct ask_flow *flow;
	struct err err;
	int r;

	if (ask_flow(load->ask, question, &STREAM, load, &flow) < 0)
		return -1;
	r = loop_run(load->ask->loop, &err);
	ask_flow_free(flow);
	progress_end(&load->progress);
	return r < 0 ? ask_fail_err(load->ask, &err) : load->result;
}

static int finish(struct load *load, const char *path)
{
	struct err err;

	if (io_out_finish(&load->out, &err) < 0) {
		(void)err_wrap(&err, "%s", path);
		return ask_fail_err(load->ask, &err);
	}
	return 0;
}

static int run(struct load *load, const struct ask_question *question, const char *path)
{
	struct err err;

	if (io_out_open(&load->out, path, &err) < 0)
		return ask_fail_err(load->ask, &err);
	if (receive(load, question) < 0)
		return -1;
	return finish(load, path);
}

/* Writes what @question gives to @path; the exit status. */
static int load_from(struct ask *ask, const struct ask_question *question, const char *path)
{
	struct load load = {.ask = ask, .out = IO_OUT_INIT, .result = -1};
	int r = run(&load, question, path);

	io_out_fini(&load.out);
	return r < 0 ? verbs_fail(ask) : VERBS_DONE;
}

int load_to(struct ask *ask, const char *folder, const char *name, const char *path)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	char where[PATH_MAX_LEN];
	struct ask_question question = {.method = FETCH_POST, .path = where};

	(void)snprintf(where, sizeof(where), "/load/%s", name);
	buf_put_str(&body, "{\"filename\":");
	json_put_string(&body, name);
	buf_put_str(&body, ",\"folder\":");
	json_put_string(&body, folder);
	buf_put_str(&body, "}");
	question.body = buf_slice(&body);
	if (buf_ok(&body))
		return load_from(ask, &question, path);
	(void)ask_fail(ask, "invalid", "the name is too long");
	return verbs_fail(ask);
}

int load_artifact_to(struct ask *ask, const char *folder, const char *name, const char *path)
{
	char where[2 * PATH_MAX_LEN];
	const struct ask_question question = {.method = FETCH_GET, .path = where};

	(void)snprintf(where, sizeof(where), "/v2/artifacts/%s?folder=%s", name, folder);
	return load_from(ask, &question, path);
}
