/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factory reset. The service ends all connections once it has begun for good, and answers again
 * when all is done; that is waited for, so that who asked hears what the device has become.
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/device.h"
#include "cmd/holdfast/verb.h"

#define POLL_MS	     100u
#define WAIT_MS	     300000u
#define QUESTION_MAX 4096u

static const char MEANING[] =
	"This erases the device's identity with its certificate, all keys, secrets and\n"
	"attestation keys of the host and of all tenants, and the storage key in the TPM. What\n"
	"was sealed here opens no more, with no copy of anything. This cannot be undone.\n";

static const char MEANING_CLEAR[] =
	"The TPM is cleared, too: what other software keeps in it is gone, such as the keys\n"
	"that open encrypted disks.\n";

static const char MEANING_FOREIGN[] = "They are lost when the TPM is cleared.\n";

static const char MEANING_WITHOUT[] =
	"The TPM is not asked: the keys of this device that are in it stay there, though no\n"
	"password of theirs is left. This is for a TPM that is gone or does not serve any more.\n";

static const char REMEDY_FOREIGN[] =
	"If they may be lost: add --accept-foreign. Or reset without --clear-tpm.";

static const char REMEDY_GOES_ON[] =
	"It goes on, also after a restart: 'holdfast device status' tells when it is done.";

struct reset {
	bool factory;
	bool clear_tpm;
	bool accept_foreign;
	bool without_tpm;
	bool yes;
};

/* --- before --- */

static const char *meaning_of(const struct reset *reset, char out[QUESTION_MAX])
{
	(void)snprintf(out, QUESTION_MAX, "%s%s%s", MEANING, reset->clear_tpm ? MEANING_CLEAR : "",
		       reset->without_tpm ? MEANING_WITHOUT : "");
	return out;
}

/* Returns a negative number to go on, else an exit code. */
static int check_words(const struct cli *cli, const struct reset *reset)
{
	char meaning[QUESTION_MAX];
	struct err err;

	if (reset->accept_foreign && !reset->clear_tpm) {
		(void)err_set(&err, ERR_INVALID, "--accept-foreign needs --clear-tpm");
		return cli_usage(cli, &err);
	}
	if (reset->without_tpm && reset->clear_tpm) {
		(void)err_set(&err, ERR_INVALID, "--without-tpm does not go with --clear-tpm");
		return cli_usage(cli, &err);
	}
	if (!reset->factory) {
		(void)fputs(meaning_of(reset, meaning), stderr);
		(void)err_set(&err, ERR_INVALID, "nothing was changed: --factory is missing");
		return cli_usage(cli, &err);
	}
	return reset->yes ? -1 : admin_confirm(cli, meaning_of(reset, meaning));
}

/* --- beginning it --- */

static int fail_foreign(const struct cli *cli)
{
	struct err err;

	(void)err_set(&err, hf_error_code(cli->hf), "%s", hf_error_text(cli->hf));
	(void)err_add_remedy(&err, REMEDY_FOREIGN);
	return cli_fail(cli, &err);
}

/* Others keep keys in the chip: their owner says whether that matters. */
static int ask_for_foreign(const struct cli *cli, const struct reset *reset)
{
	CLEANUP(buf_fini) struct buf question = BUF_INIT(QUESTION_MAX);

	if (reset->yes || isatty(STDIN_FILENO) != 1)
		return fail_foreign(cli);
	cli_put_text(&question, hf_error_text(cli->hf));
	buf_printf(&question, ".\n%s", MEANING_FOREIGN);
	buf_put_u8(&question, '\0');
	return buf_ok(&question) ? admin_confirm(cli, (const char *)question.data)
				 : fail_foreign(cli);
}

/* Returns a negative number when it has begun, else an exit code. */
static int begin(const struct cli *cli, struct reset *reset)
{
	unsigned flags = (reset->clear_tpm ? HF_DEVICE_CLEAR_TPM : 0u) |
			 (reset->accept_foreign ? HF_DEVICE_ACCEPT_FOREIGN : 0u) |
			 (reset->without_tpm ? HF_DEVICE_WITHOUT_TPM : 0u);
	int r = hf_device_reset(cli->hf, flags);

	if (r == 0)
		return -1;
	if (r != HF_CONFLICT || !reset->clear_tpm || reset->accept_foreign)
		return cli_fail_hf(cli);
	r = ask_for_foreign(cli, reset);
	if (r >= 0)
		return r;
	reset->accept_foreign = true;
	return begin(cli, reset);
}

/* --- waiting for its end --- */

struct wait {
	struct hf *hf; /* of the ordinary socket */
	uint64_t deadline;
	char *before; /* the device, as JSON; NULL = not known */
	char *after;
};

static void wait_fini(struct wait *wait)
{
	hf_close(wait->hf);
	hf_free(wait->before);
	hf_free(wait->after);
}

static const char *key_of(const json_t *device)
{
	const char *key =
		json_string_value(json_object_get(json_object_get(device, "key"), "public"));

	return key ? key : "";
}

/*
 * A device without an identity, or with another one than before. An answer from the moment before
 * the service went away is neither.
 */
static bool is_over(const struct wait *wait)
{
	CLEANUP(json_cleanup) struct json_t *before = NULL;
	CLEANUP(json_cleanup) struct json_t *after = NULL;
	const char *mode = "";
	struct err ignored;

	if (json_parse(slice_str(wait->after), &after, &ignored) < 0 ||
	    json_get_string(after, "mode", true, &mode, &ignored) < 0 ||
	    strcmp(mode, "resetting") == 0)
		return false;
	if (wait->before && json_parse(slice_str(wait->before), &before, &ignored) < 0)
		return true;
	return key_of(after)[0] == '\0' || strcmp(key_of(after), key_of(before)) != 0;
}

/* False when the time is over. */
static bool has_time(struct wait *wait)
{
	uint64_t now = clock_monotonic_us();

	if (now / 1000u + POLL_MS >= wait->deadline / 1000u)
		return false;
	hf_set_timeout_ms(wait->hf, (unsigned)((wait->deadline - now) / 1000u));
	return true;
}

static int wait_for_end(const struct cli *cli, struct wait *wait)
{
	struct err err;

	while (has_time(wait)) {
		hf_free(TAKE(wait->after));
		if (hf_device_json(wait->hf, &wait->after) == 0 && is_over(wait))
			return device_print(cli, 0, TAKE(wait->after));
		(void)poll(NULL, 0, (int)POLL_MS);
	}
	(void)err_set(&err, ERR_TIMEOUT, "the reset has begun, and its end was not seen");
	(void)err_add_remedy(&err, REMEDY_GOES_ON);
	return cli_fail(cli, &err);
}

static void say_begun(void)
{
	if (isatty(STDERR_FILENO) == 1)
		(void)fputs("The reset has begun; waiting for the service.\n", stderr);
}

static int reset_and_wait(const struct cli *cli, struct reset *reset)
{
	CLEANUP(wait_fini) struct wait wait = {.hf = NULL};
	struct err err;
	int r;

	r = hf_open(cli->socket, &wait.hf);
	if (r < 0)
		return cli_end(cli, err_set(&err, r, "memory is short"), &err);
	hf_set_timeout_ms(wait.hf, cli->timeout_ms);
	(void)hf_device_json(wait.hf, &wait.before);
	r = begin(cli, reset);
	if (r >= 0)
		return r;
	say_begun();
	wait.deadline = clock_monotonic_us() +
			1000u * (uint64_t)(cli->timeout_ms > 0 ? cli->timeout_ms : WAIT_MS);
	return wait_for_end(cli, &wait);
}

int verb_device_reset(struct cli *cli, struct opt_words words)
{
	struct reset reset = {.factory = false};
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "factory",
		 .help = "do it; without this the verb only says what it would do",
		 .flag = &reset.factory},
		{.kind = OPT_FLAG,
		 .name = "clear-tpm",
		 .help = "clear the TPM, too, so that kept copies of its blobs open nothing",
		 .flag = &reset.clear_tpm},
		{.kind = OPT_FLAG,
		 .name = "accept-foreign",
		 .help = "with --clear-tpm: though others keep keys in it",
		 .flag = &reset.accept_foreign},
		{.kind = OPT_FLAG,
		 .name = "without-tpm",
		 .help = "do not ask a TPM that is gone or dead; also ends a reset that waits for "
			 "it",
		 .flag = &reset.without_tpm},
		{.kind = OPT_FLAG,
		 .name = "yes",
		 .help = "do not ask; needed where there is no terminal",
		 .flag = &reset.yes},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r < 0)
		r = check_words(cli, &reset);
	if (r < 0)
		r = admin_open(cli);
	return r < 0 ? reset_and_wait(cli, &reset) : r;
}
