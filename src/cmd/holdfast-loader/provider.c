/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/provider.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "holdfast/client.h"

#define AGAIN_US   UINT64_C(60000000)
#define ASK_MS	   5000u
#define REASON_MAX 192u
#define WORD_MAX   32u

/* One answer, or that there was none. */
struct facts {
	bool settled; /* holdfastd has chosen */
	bool tpm;
	char reason[REASON_MAX];
	char mode[WORD_MAX]; /* "" when it does not say */
};

struct provider {
	struct jobs *jobs;
	struct front *front;
	const char *socket;
	enum conf_provider wish;
	struct loop_timer again;
	bool warned;
	struct facts facts; /* the front borrows its texts */
};

/* What a job works on, since it may outlive an answer that nobody waits for. */
struct question {
	struct provider *provider;
	char *socket;
	struct facts facts;
};

/* --- in the job --- */

static void copy_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
}

static void read_status(struct hf *hf, struct facts *facts)
{
	CLEANUP(json_cleanup) struct json_t *status = NULL;
	const char *provider = "", *reason = "";
	struct err err;
	char *text = NULL;
	int r;

	if (hf_status_json(hf, &text) < 0) {
		copy_text(facts->reason, sizeof(facts->reason), hf_error_text(hf));
		return;
	}
	r = json_parse(slice_str(text), &status, &err);
	hf_free(text);
	if (r == 0)
		r = json_get_string(status, "provider", true, &provider, &err);
	if (r < 0) {
		copy_text(facts->reason, sizeof(facts->reason),
			  "holdfastd's status is not as it is known");
		return;
	}
	facts->settled = strcmp(provider, "deciding") != 0;
	facts->tpm = strcmp(provider, "tpm") == 0;
	/* It is null while there is none. */
	if (json_get_string(status, "reason", false, &reason, &err) < 0 || reason[0] == '\0')
		reason = facts->settled ? "holdfastd gives no reason" : "holdfastd is starting";
	copy_text(facts->reason, sizeof(facts->reason), reason);
}

/* The right to it may be missing, and then it is not known. */
static void read_mode(struct hf *hf, struct facts *facts)
{
	CLEANUP(json_cleanup) struct json_t *device = NULL;
	const char *mode = "";
	struct err err;
	char *text = NULL;

	if (hf_device_json(hf, &text) < 0)
		return;
	if (json_parse(slice_str(text), &device, &err) == 0 &&
	    json_get_string(device, "mode", true, &mode, &err) == 0)
		copy_text(facts->mode, sizeof(facts->mode), mode);
	hf_free(text);
}

static int ask(void *arg, struct err *err)
{
	struct question *question = arg;
	struct hf *hf;

	(void)err;
	if (hf_open(question->socket, &hf) < 0) {
		copy_text(question->facts.reason, sizeof(question->facts.reason),
			  "holdfast_socket is no path of a socket");
		return 0;
	}
	hf_set_timeout_ms(hf, ASK_MS);
	read_status(hf, &question->facts);
	if (question->facts.settled)
		read_mode(hf, &question->facts);
	hf_close(hf);
	return 0;
}

static void release(void *arg)
{
	struct question *question = arg;

	free(question->socket);
	free(question);
}

/* --- on the loop --- */

static void tell_front(struct provider *provider)
{
	const struct facts *facts = &provider->facts;
	const struct front_machine machine = {
		.provider = facts->tpm ? "tpm" : "legacy",
		.reason = facts->reason,
		.device_mode = facts->mode[0] != '\0' ? facts->mode : NULL,
	};

	front_set_machine(provider->front, &machine);
}

static void tell_log(struct provider *provider)
{
	const struct facts *facts = &provider->facts;

	if (facts->tpm)
		log_notice("provider tpm: %s", facts->reason);
	else if (!provider->warned && provider->wish == CONF_PROVIDER_TPM)
		log_warning("provider legacy, though SECURITY_PROVIDER=tpm demands the TPM: %s; "
			    "version 2 will be refused",
			    facts->reason);
	else if (!provider->warned)
		log_warning("provider legacy: %s", facts->reason);
	provider->warned = !facts->tpm;
	if (facts->mode[0] != '\0')
		log_info("device mode %s", facts->mode);
}

static void ask_later(struct provider *provider)
{
	struct err err;

	if (loop_timer_set(&provider->again, AGAIN_US, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "holdfastd is not asked again");
}

static void done(void *arg, const struct err *err)
{
	const struct question *question = arg;
	struct provider *provider = question->provider;

	if (err) {
		ask_later(provider);
		return;
	}
	provider->facts = question->facts;
	tell_front(provider);
	tell_log(provider);
	if (!provider->facts.settled)
		ask_later(provider);
	else if (!provider->facts.tpm)
		provider->warned = true;
}

static int submit(struct provider *provider, struct err *err)
{
	struct question *question = calloc(1, sizeof(*question));
	struct job_plan plan = {
		.steps = {{JOB_LONG, ask}}, .count = 1, .done = done, .release = release};
	struct job *job;
	int r;

	if (!question)
		return err_set(err, ERR_INTERNAL, "memory is short");
	question->provider = provider;
	question->socket = strdup(provider->socket);
	plan.arg = question;
	r = question->socket ? jobs_submit(provider->jobs, &plan, &job, err)
			     : err_set(err, ERR_INTERNAL, "memory is short");
	if (r < 0)
		release(question);
	return r;
}

static void again(void *arg)
{
	struct err err;

	if (submit(arg, &err) < 0)
		ask_later(arg);
}

int provider_wish(enum conf_provider *ret_wish, struct err *err)
{
	const char *word = getenv("SECURITY_PROVIDER");

	*ret_wish = CONF_PROVIDER_AUTO;
	if (word && conf_provider_of_word(word, ret_wish, err) < 0)
		return err_wrap(err, "SECURITY_PROVIDER");
	return 0;
}

int provider_new(struct jobs *jobs, struct front *front, const char *socket,
		 enum conf_provider wish, struct provider **ret_provider, struct err *err)
{
	CLEANUP(provider_cleanup) struct provider *provider = calloc(1, sizeof(*provider));
	int r;

	if (!provider)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*provider = (struct provider){.jobs = jobs, .front = front, .socket = socket, .wish = wish};
	loop_timer_init(&provider->again, jobs_loop(jobs), again, provider);
	if (wish == CONF_PROVIDER_LEGACY) {
		copy_text(provider->facts.reason, sizeof(provider->facts.reason),
			  "SECURITY_PROVIDER=legacy");
		log_notice("provider legacy: %s", provider->facts.reason);
	} else {
		copy_text(provider->facts.reason, sizeof(provider->facts.reason),
			  "holdfastd has not answered yet");
		r = submit(provider, err);
		if (r < 0)
			return r;
	}
	tell_front(provider);
	*ret_provider = TAKE(provider);
	return 0;
}

void provider_free(struct provider *provider)
{
	if (!provider)
		return;
	if (provider->again.loop)
		loop_timer_clear(&provider->again);
	free(provider);
}
