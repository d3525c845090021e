/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/verbs.h"

#include <stdio.h>
#include <string.h>

#include "artifact/resource.h"
#include "base/json.h"
#include "cmd/holdfast-loader/password.h"
#include "cmd/holdfast/cli.h"

#define BODY_MAX  (16u * 1024u)
#define HELP_MAX  8192u
#define EMAIL_MAX 1024u

/* What the verbs' words say; each uses some of it. */
struct wish {
	const char *who;      /* an email */
	const char *resource; /* FOLDER/NAME */
	const char *password_file;
	const char *out;
	bool follow;
	bool json;
	/* Of resource. */
	char folder[RESOURCE_FOLDER_MAX + 1];
	const char *name;
};

int verbs_fail(const struct ask *ask)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(4096);

	/* What an answer says may hold anything. */
	cli_put_text(&line, ask->code);
	buf_put_str(&line, ": ");
	cli_put_text(&line, ask->why);
	(void)fprintf(stderr, "holdfast-loader: %.*s\n", (int)line.len,
		      buf_ok(&line) ? (const char *)line.data : "");
	return VERBS_FAILED;
}

static int fail_here(const struct err *err)
{
	struct ask ask = {.loop = NULL};

	(void)ask_fail_err(&ask, err);
	return verbs_fail(&ask);
}

/* --- verbs --- */

static int run_status(struct ask *ask, const struct wish *wish)
{
	return status_show(ask, wish->json, wish->follow);
}

/* POST of {email, password}. */
static int send_password(struct ask *ask, const struct wish *wish, const char *path)
{
	CLEANUP(buf_fini) struct buf password = BUF_INIT(PASSWORD_MAX + 1);
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	struct ask_question question = {.method = FETCH_POST, .path = path};
	struct json_t *json = NULL;
	struct err err;
	int r;

	if (password_read(wish->password_file, &password, &err) < 0)
		return ask_fail_err(ask, &err);
	buf_put_u8(&password, 0);
	buf_put_str(&body, "{\"email\":");
	json_put_string(&body, wish->who);
	buf_put_str(&body, ",\"password\":");
	if (buf_ok(&password))
		json_put_string(&body, (const char *)password.data);
	buf_put_str(&body, "}");
	if (!buf_ok(&body) || !buf_ok(&password))
		return ask_fail(ask, "internal", "memory is short");
	question.body = buf_slice(&body);
	r = ask_json(ask, &question, &json);
	json_free(json);
	return r;
}

static int run_login(struct ask *ask, const struct wish *wish)
{
	return send_password(ask, wish, "/login") < 0 ? verbs_fail(ask) : VERBS_DONE;
}

static int run_unlock(struct ask *ask, const struct wish *wish)
{
	return send_password(ask, wish, "/unlock") < 0 ? verbs_fail(ask) : status_unlock(ask);
}

static int run_load(struct ask *ask, const struct wish *wish)
{
	return load_to(ask, wish->folder, wish->name, wish->out);
}

static int run_artifact(struct ask *ask, const struct wish *wish)
{
	if (wish->out)
		return load_artifact_to(ask, wish->folder, wish->name, wish->out);
	return artifact_tell(ask, wish->folder, wish->name, wish->json);
}

static int run_cancel(struct ask *ask, const struct wish *wish)
{
	char path[RESOURCE_FOLDER_MAX + RESOURCE_NAME_MAX + 64];
	struct ask_question question = {.method = FETCH_DELETE, .path = path};
	struct json_t *json = NULL;

	(void)snprintf(path, sizeof(path), "/v2/artifacts/%s?folder=%s", wish->name, wish->folder);
	if (ask_json(ask, &question, &json) < 0)
		return verbs_fail(ask);
	json_free(json);
	return VERBS_DONE;
}

/* --- their words --- */

#define OPTS_MAX 4u

enum word {
	WORD_WHO,
	WORD_RESOURCE,
	WORD_PASSWORD,
	WORD_OUT,
	WORD_MAYBE_OUT,
	WORD_FOLLOW,
	WORD_JSON,
	WORD_NONE,
};

static struct opt option(struct wish *wish, enum word word)
{
	const struct opt OPTS[] = {
		[WORD_WHO] = {.kind = OPT_ARGUMENT,
			      .name = "EMAIL",
			      .help = "who logs in at the resource API",
			      .required = true,
			      .text = &wish->who},
		[WORD_RESOURCE] = {.kind = OPT_ARGUMENT,
				   .name = "FOLDER/NAME",
				   .help = "the resource",
				   .required = true,
				   .text = &wish->resource},
		[WORD_PASSWORD] = {.kind = OPT_TEXT,
				   .name = "password-file",
				   .value = "FILE",
				   .help = "a line with the password, or - for standard input",
				   .text = &wish->password_file},
		[WORD_OUT] = {.kind = OPT_TEXT,
			      .name = "out",
			      .value = "FILE",
			      .help = "where it goes when all of it is there, or -",
			      .required = true,
			      .text = &wish->out},
		[WORD_MAYBE_OUT] = {.kind = OPT_TEXT,
				    .name = "out",
				    .value = "FILE",
				    .help = "where it goes; without it, tell what it is",
				    .text = &wish->out},
		[WORD_FOLLOW] = {.kind = OPT_FLAG,
				 .name = "follow",
				 .help = "wait, with a bar, until nothing is at work",
				 .flag = &wish->follow},
		[WORD_JSON] = {.kind = OPT_FLAG,
			       .name = "json",
			       .help = "print what the loader answers",
			       .flag = &wish->json},
	};

	return OPTS[word];
}

static const struct verb_row {
	const char *name;
	const char *text;
	int (*run)(struct ask *ask, const struct wish *wish);
	enum word words[OPTS_MAX]; /* ends with WORD_NONE */
} VERBS[] = {
	{"status",
	 "Tell provider, login, images and downloads",
	 run_status,
	 {WORD_FOLLOW, WORD_JSON, WORD_NONE}},
	{"login", "Log in at the resource API", run_login, {WORD_WHO, WORD_PASSWORD, WORD_NONE}},
	{"load",
	 "Fetch, check and open a resource",
	 run_load,
	 {WORD_RESOURCE, WORD_OUT, WORD_NONE}},
	{"artifact",
	 "Fetch, check and open an artifact of version 2",
	 run_artifact,
	 {WORD_RESOURCE, WORD_MAYBE_OUT, WORD_JSON, WORD_NONE}},
	{"cancel", "End a download", run_cancel, {WORD_RESOURCE, WORD_NONE}},
	{"unlock",
	 "Open the archive of images and give it to the engine",
	 run_unlock,
	 {WORD_WHO, WORD_PASSWORD, WORD_NONE}},
};

void verbs_help(struct buf *out)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(VERBS); i++)
		buf_printf(out, "  %-10s%s\n", VERBS[i].name, VERBS[i].text);
}

static int split_resource(struct wish *wish, struct err *err)
{
	const char *slash = strchr(wish->resource, '/');
	size_t len = slash ? (size_t)(slash - wish->resource) : 0;
	struct resource resource;

	if (!slash || len > RESOURCE_FOLDER_MAX)
		return err_set(err, ERR_INVALID, "'%.60s' is not allowed; allowed: FOLDER/NAME",
			       wish->resource);
	resource = (struct resource){.folder = slice_of(wish->resource, len),
				     .name = slice_str(slash + 1)};
	if (resource_check(&resource, err) < 0)
		return err->code;
	(void)snprintf(wish->folder, sizeof(wish->folder), "%.*s", (int)len, wish->resource);
	wish->name = slash + 1;
	return 0;
}

static int print_help(const struct verb_row *verb, const struct opt_table *table)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(HELP_MAX);

	buf_printf(&out, "usage: holdfast-loader [--config FILE] %s", verb->name);
	opt_usage(&out, table, out.len);
	buf_printf(&out, "\n\n%s.\n\n", verb->text);
	opt_help(&out, table);
	(void)fwrite(out.data, 1, out.len, stdout);
	return VERBS_DONE;
}

static int usage(const struct err *err)
{
	(void)fprintf(stderr, "holdfast-loader: %s\n", err->text);
	return VERBS_USAGE;
}

/* Below 0: go on. */
static int parse(const struct verb_row *verb, struct opt_words words, struct wish *wish)
{
	struct opt opts[OPTS_MAX];
	struct opt_table table = {.opts = opts};
	struct err err;
	bool help = false;
	int r;

	for (; verb->words[table.count] != WORD_NONE; table.count++)
		opts[table.count] = option(wish, verb->words[table.count]);
	words = (struct opt_words){.count = words.count - 1, .words = words.words + 1};
	r = opt_parse(&table, 1, words, &help, &err);
	if (help)
		return print_help(verb, &table);
	if (r == 0 && wish->resource)
		r = split_resource(wish, &err);
	return r < 0 ? usage(&err) : -1;
}

int verbs_run(const struct conf_loader *conf, struct opt_words words)
{
	struct wish wish = {.who = NULL};
	struct ask ask;
	struct err err;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(VERBS); i++)
		if (strcmp(VERBS[i].name, words.words[0]) == 0)
			break;
	if (i == ARRAY_LEN(VERBS)) {
		(void)err_set(&err, ERR_INVALID, "no such verb: %.60s", words.words[0]);
		return usage(&err);
	}
	r = parse(&VERBS[i], words, &wish);
	if (r >= 0)
		return r;
	r = ask_open(&ask, conf, &err);
	r = r < 0 ? fail_here(&err) : VERBS[i].run(&ask, &wish);
	ask_close(&ask);
	return r;
}
