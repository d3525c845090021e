/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/status as text, once or as long as something is at work. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfast-loader/verbs.h"
#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/progress.h"

#define TEXT_MAX  (256u * 1024u)
#define LOOK_US	  500000u
#define LABEL_MAX 600u
#define COLUMN	  24

static const struct ask_question STATUS = {.method = FETCH_GET, .path = "/v2/status"};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *member)
{
	json_int_t number = json_integer_value(json_object_get(object, member));

	return number > 0 ? (uint64_t)number : 0;
}

/* --- one look --- */

static void put_duration(struct buf *out, uint64_t seconds)
{
	buf_printf(out, "%" PRIu64 ":%02u:%02u", seconds / 3600, (unsigned)(seconds / 60 % 60),
		   (unsigned)(seconds % 60));
}

static void put_amount(struct buf *out, const json_t *item)
{
	uint64_t total = number_of(item, "total");

	buf_put_str(out, "  ");
	progress_put_size(out, number_of(item, "done"));
	if (total > 0) {
		buf_put_str(out, " of ");
		progress_put_size(out, total);
	}
}

static void put_error(struct buf *out, const json_t *error)
{
	if (!json_is_object(error))
		return;
	buf_put_str(out, "  ");
	cli_put_text(out, text_of(error, "code"));
	buf_put_str(out, ": ");
	cli_put_text(out, text_of(error, "detail"));
}

/* "models/net.bin" */
static void put_name(struct buf *out, const json_t *download)
{
	cli_put_text(out, text_of(download, "folder"));
	buf_put_str(out, "/");
	cli_put_text(out, text_of(download, "name"));
}

static void put_download(struct buf *out, const json_t *download)
{
	size_t begin = out->len;

	put_name(out, download);
	do
		buf_put_str(out, " ");
	while (out->len - begin < COLUMN && buf_ok(out));
	cli_put_text(out, text_of(download, "state"));
	put_amount(out, download);
	if (number_of(download, "rate") > 0) {
		buf_put_str(out, "  ");
		progress_put_size(out, number_of(download, "rate"));
		buf_put_str(out, "/s");
	}
	if (json_is_integer(json_object_get(download, "eta"))) {
		buf_put_str(out, "  ");
		put_duration(out, number_of(download, "eta"));
		buf_put_str(out, " to go");
	}
	if (json_is_integer(json_object_get(download, "retry_in"))) {
		buf_put_str(out, "  again in ");
		put_duration(out, number_of(download, "retry_in"));
	}
	put_error(out, json_object_get(download, "error"));
	buf_put_str(out, "\n");
}

static void put_line(struct buf *out, const char *label, const char *text, const char *behind)
{
	buf_printf(out, "%-*s", COLUMN, label);
	cli_put_text(out, text);
	buf_put_str(out, behind);
}

static void put_status(struct buf *out, const json_t *status)
{
	const json_t *unlock = json_object_get(status, "unlock");
	const json_t *downloads = json_object_get(status, "downloads");
	const char *mode = text_of(status, "device_mode");
	size_t i;

	put_line(out, "provider", text_of(status, "provider"), " (");
	cli_put_text(out, text_of(status, "reason"));
	buf_put_str(out, ")\n");
	if (mode[0] != '\0')
		put_line(out, "device mode", mode, "\n");
	put_line(out, "logged in",
		 json_is_true(json_object_get(status, "authenticated")) ? "yes" : "no", "\n");
	put_line(out, "images", text_of(unlock, "state"), "");
	if (number_of(unlock, "total") > 0)
		put_amount(out, unlock);
	put_error(out, json_object_get(unlock, "error"));
	buf_put_str(out, "\n");
	for (i = 0; i < json_array_size(downloads); i++)
		put_download(out, json_array_get(downloads, i));
}

static int print(struct ask *ask, const struct buf *out)
{
	if (!buf_ok(out))
		return ask_fail(ask, "internal", "memory is short");
	if (fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout) != 0)
		return ask_fail(ask, "internal", "cannot write to standard output");
	return 0;
}

static int show(struct ask *ask, bool json, const json_t *status)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);

	if (json) {
		json_write(&out, status);
		buf_put_str(&out, "\n");
	} else {
		put_status(&out, status);
	}
	return print(ask, &out);
}

static int look(struct ask *ask, struct json_t **ret_status)
{
	int r = ask_json(ask, &STATUS, ret_status);

	if (r == 0 && !*ret_status)
		r = ask_fail(ask, "internal", "the loader's status is empty");
	return r;
}

/* --- again and again --- */

static void wake(void *arg)
{
	loop_stop(arg);
}

static int wait_a_little(struct ask *ask)
{
	struct loop_timer timer = {.slot = 0};
	struct err err;
	int r;

	loop_timer_init(&timer, ask->loop, wake, ask->loop);
	r = loop_timer_set(&timer, LOOK_US, &err);
	if (r == 0)
		r = loop_run(ask->loop, &err);
	loop_timer_clear(&timer);
	return r < 0 ? ask_fail_err(ask, &err) : 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && strcmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

static bool unlock_works(const json_t *status)
{
	static const char *const RESTS[] = {"idle", "ready", "error", "", NULL};

	return !is_one_of(text_of(json_object_get(status, "unlock"), "state"), RESTS);
}

static bool download_works(const json_t *download)
{
	static const char *const RESTS[] = {"done", "failed", "cancelled", "", NULL};

	return !is_one_of(text_of(download, "state"), RESTS);
}

/* What is shown by the bar: the unlock, else the first download that is at work. NULL: nothing. */
static const json_t *busy(const json_t *status, struct buf *ret_label)
{
	const json_t *downloads = json_object_get(status, "downloads");
	const json_t *unlock = json_object_get(status, "unlock");
	size_t i;

	if (unlock_works(status)) {
		cli_put_text(ret_label, text_of(unlock, "state"));
		return unlock;
	}
	for (i = 0; i < json_array_size(downloads); i++) {
		const json_t *download = json_array_get(downloads, i);

		if (!download_works(download))
			continue;
		put_name(ret_label, download);
		buf_put_str(ret_label, " ");
		cli_put_text(ret_label, text_of(download, "state"));
		return download;
	}
	return NULL;
}

/* A bar that moves to where others say that it is. */
struct bar {
	struct progress progress;
	char label[LABEL_MAX];
};

static void bar_show(struct bar *bar, const char *label, const json_t *item)
{
	uint64_t total = number_of(item, "total");
	uint64_t done = number_of(item, "done");

	if (total == 0)
		total = PROGRESS_TOTAL_UNKNOWN;
	if (strcmp(bar->label, label) != 0 || bar->progress.total != total ||
	    done < bar->progress.in) {
		progress_end(&bar->progress);
		(void)snprintf(bar->label, sizeof(bar->label), "%s", label);
		progress_begin(&bar->progress, bar->label, total, true);
	}
	progress_move(&bar->progress, done - bar->progress.in, done - bar->progress.out);
}

/* One look; *ret_busy tells whether there is something to wait for. */
static int follow_once(struct ask *ask, struct bar *bar, bool *ret_busy)
{
	CLEANUP(buf_fini) struct buf label = BUF_INIT(LABEL_MAX);
	CLEANUP(json_cleanup) struct json_t *status = NULL;
	const json_t *item;

	if (look(ask, &status) < 0)
		return -1;
	item = busy(status, &label);
	buf_put_u8(&label, 0);
	*ret_busy = item != NULL;
	if (item)
		bar_show(bar, buf_ok(&label) ? (const char *)label.data : "", item);
	return 0;
}

static int follow(struct ask *ask)
{
	struct bar bar = {.label = ""};
	bool goes_on = true;
	int r;

	do {
		r = follow_once(ask, &bar, &goes_on);
		if (r == 0 && goes_on)
			r = wait_a_little(ask);
	} while (r == 0 && goes_on);
	progress_end(&bar.progress);
	return r;
}

int status_show(struct ask *ask, bool json, bool do_follow)
{
	CLEANUP(json_cleanup) struct json_t *status = NULL;

	if ((do_follow && follow(ask) < 0) || look(ask, &status) < 0 || show(ask, json, status) < 0)
		return verbs_fail(ask);
	return VERBS_DONE;
}

int status_unlock(struct ask *ask)
{
	CLEANUP(json_cleanup) struct json_t *status = NULL;
	const json_t *unlock, *error;

	if (follow(ask) < 0 || look(ask, &status) < 0)
		return verbs_fail(ask);
	unlock = json_object_get(status, "unlock");
	if (strcmp(text_of(unlock, "state"), "ready") == 0)
		return VERBS_DONE;
	error = json_object_get(unlock, "error");
	ask_fail(ask, text_of(error, "code"), text_of(error, "detail"));
	return verbs_fail(ask);
}
