/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches as src/fetch does, for tests/integration/fetch-tls.bats:
 *
 *   fetch_tool [dev] [ca=FILE] [cert=FILE] [key=KEY] [unix=PATH] [redirects=N] [lines] URL..
 *
 * Prints for each URL how it ended, the status and the text of an error, then the body. With
 * `lines` it waits for a line of its input before each.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch.h"

static const char *const ENDS[] = {"done", "unreachable", "broken", "refused", "stopped"};

static struct loop *loop;

static void done(void *arg, const struct fetch_result *result, struct slice body)
{
	(void)arg;
	printf("%s %u %s\n", ENDS[result->end], result->status,
	       result->err ? result->err->text : "");
	(void)fwrite(body.data, 1, body.len, stdout);
	(void)fflush(stdout);
	loop_stop(loop);
}

static int fail(const struct err *err)
{
	printf("error %d %s\n", err->code, err->text);
	return 1;
}

/* The value of @word when it is "NAME=VALUE". */
static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool take(const char *word, struct fetch_config *config, struct fetch_request *request,
		 bool *lines)
{
	const char *value;

	if (strcmp(word, "dev") == 0)
		config->dev = true;
	else if (strcmp(word, "lines") == 0)
		*lines = true;
	else if ((value = value_of(word, "ca")))
		config->ca_file = value;
	else if ((value = value_of(word, "cert")))
		config->client_cert = value;
	else if ((value = value_of(word, "key")))
		config->client_key = value;
	else if ((value = value_of(word, "unix")))
		request->unix_socket = value;
	else if ((value = value_of(word, "redirects")))
		request->redirects = (unsigned)strtoul(value, NULL, 10);
	else
		return false;
	return true;
}

static int fetch_all(struct fetch *fetch, struct fetch_request *request, char **urls, bool lines)
{
	struct fetch_transfer *transfer;
	char line[16];
	struct err err;
	int r = 0;

	for (; *urls && r == 0; urls++) {
		if (lines && !fgets(line, sizeof(line), stdin))
			return 0;
		request->url = *urls;
		r = fetch_whole(fetch, request, done, NULL, &transfer, &err);
		if (r == 0)
			r = loop_run(loop, &err);
	}
	return r < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
	struct fetch_config config = {.agent = "fetch_tool"};
	struct fetch_request request = {.connect_s = 20};
	struct fetch *fetch;
	bool lines = false;
	struct err err;
	int r;

	(void)argc;
	for (argv++; *argv && take(*argv, &config, &request, &lines); argv++)
		;
	if (loop_new(&loop, &err) < 0 || fetch_new(loop, &config, &fetch, &err) < 0) {
		loop_free(loop);
		return fail(&err);
	}
	r = fetch_all(fetch, &request, argv, lines);
	fetch_free(fetch);
	loop_free(loop);
	return r;
}
