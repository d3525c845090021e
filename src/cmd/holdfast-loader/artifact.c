/* SPDX-License-Identifier: Apache-2.0 */
/* An artifact of version 2 that the loader shall have; what it says of it, or of its images. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "cmd/holdfast-loader/verbs.h"
#include "cmd/holdfast/cli.h"

#define COLUMN	 14
#define PATH_LEN 512u
#define BODY_MAX 1024u
#define TEXT_MAX 8192u

static void put_text(struct buf *out, const json_t *facts, const char *member)
{
	const char *text = json_string_value(json_object_get(facts, member));

	cli_put_text(out, text ? text : "");
}

static void put_number(struct buf *out, const json_t *facts, const char *member)
{
	buf_printf(out, "%" PRId64, (int64_t)json_integer_value(json_object_get(facts, member)));
}

static void put_time(struct buf *out, const json_t *facts, const char *member)
{
	const json_t *seconds = json_object_get(facts, member);
	time_t at = (time_t)json_integer_value(seconds);
	char text[64];
	struct tm tm;

	if (!json_is_integer(seconds))
		buf_put_str(out, "never");
	else if (gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%F %T UTC", &tm) > 0)
		buf_put_str(out, text);
}

static const struct {
	const char *member;
	void (*put)(struct buf *out, const json_t *facts, const char *member);
} ROWS[] = {
	{"folder", put_text},  {"name", put_text},     {"type", put_text},
	{"version", put_text}, {"serial", put_number}, {"expires", put_time},
	{"size", put_number},  {"manifest", put_text}, {"protection", put_text},
};

static int show(struct ask *ask, bool as_json, const json_t *facts)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	size_t i;

	if (as_json) {
		json_write(&out, facts);
		buf_put_str(&out, "\n");
	}
	for (i = 0; !as_json && i < ARRAY_LEN(ROWS); i++) {
		buf_printf(&out, "%-*s", COLUMN, ROWS[i].member);
		ROWS[i].put(&out, facts, ROWS[i].member);
		buf_put_str(&out, "\n");
	}
	if (!buf_ok(&out))
		return ask_fail(ask, "internal", "memory is short");
	if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		return ask_fail(ask, "internal", "cannot write to standard output");
	return 0;
}

int artifact_tell(struct ask *ask, const char *folder, const char *name, bool as_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	CLEANUP(json_cleanup) struct json_t *facts = NULL;
	char path[PATH_LEN];
	struct ask_question question = {.method = FETCH_POST, .path = path};

	(void)snprintf(path, sizeof(path), "/v2/artifacts/%s", name);
	buf_put_str(&body, "{\"folder\":");
	json_put_string(&body, folder);
	buf_put_str(&body, "}");
	question.body = buf_slice(&body);
	if (!buf_ok(&body)) {
		(void)ask_fail(ask, "invalid", "the name is too long");
		return verbs_fail(ask);
	}
	if (ask_json(ask, &question, &facts) < 0)
		return verbs_fail(ask);
	/* Images are on their way to the engine. */
	if (json_object_get(facts, "state"))
		return status_unlock(ask);
	return show(ask, as_json, facts) < 0 ? verbs_fail(ask) : VERBS_DONE;
}
