/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that this device's storage key is ours: the service describes the device (pool), the
 * API answers with a challenge that only this key, or only its TPM, opens (loop), the service opens
 * it (pool), and what was in it goes along when a device key is asked for. One at a time, for all
 * who wait; it belongs to the login that was in force when the challenge came.
 *
 * The API chooses what is opened here, and hears what was inside. A device key is sealed in the
 * same way: so nothing but PROOF_SECRET bytes is passed on, which no device key has.
 *
 * What the pool works on is the proof itself, which outlives the session where that goes.
 */
#include "loader/session_impl.h"

#include <jansson.h>

#include "artifact/payload.h"
#include "base/base64.h"
#include "base/json.h"
#include "loader/fault.h"
#include "loader/task.h"
#include "wrap/credential.h"

#define PROOF_SECRET 32u
#define DEVICE_MAX   (24u * 1024u) /* of what the API is told */
#define TEXT_MAX     64u	   /* of PROOF_SECRET bytes as base64url */

_Static_assert(PROOF_SECRET < PAYLOAD_KEY + MANIFEST_DIGEST, "a device key is no proof");

struct proof {
	struct task task;
	struct session *session; /* NULL: it is gone */
	const struct loader_device *device;
	void (*next)(struct proof *proof); /* when the step has succeeded */
	struct session_call *call;
	struct who *who;
	struct buf json; /* of the device */
	/* The challenge: either of them. */
	struct buf credential;
	struct duplicate_made wrapped;
	struct secret *text; /* the answer */
};

static void proof_free(struct proof *proof)
{
	if (!proof)
		return;
	session_leave(proof->call);
	who_free(proof->who);
	buf_fini(&proof->json);
	buf_fini(&proof->credential);
	duplicate_made_fini(&proof->wrapped);
	secret_free(proof->text);
	free(proof);
}

static void proof_cleanup(struct proof **proof)
{
	proof_free(*proof);
}

/* The session may be gone when this returns. */
static void proof_done(struct proof *proof, const struct err *failure)
{
	struct session *session = proof->session;
	struct err err;

	if (failure)
		err = *failure;
	session->proof = NULL;
	proof_free(proof);
	session_proved(session, failure ? &err : NULL);
}

static void step_ended(void *arg, const struct err *err)
{
	struct proof *proof = arg;

	if (!proof->session)
		proof_free(proof);
	else if (err)
		proof_done(proof, err);
	else
		proof->next(proof);
}

/* --- the answer --- */

/* Of the login that got the challenge; those who wait with another one begin anew. */
static void keep_answer(struct proof *proof)
{
	struct who *who = proof->who;

	secret_free(who->device);
	who->device = TAKE(proof->text);
	who->proof = ++proof->session->proofs;
	proof_done(proof, NULL);
}

static int keep_text(struct proof *proof, const struct secret *secret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);

	if (secret_size(secret) != PROOF_SECRET)
		return err_set(err, FAULT_UPSTREAM, "the API's challenge hides what is no proof");
	base64url_encode(&text, secret_slice(secret));
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return secret_copy(buf_slice(&text), &proof->text, err);
}

static int answer_step(void *arg, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	struct proof *proof = arg;
	const struct loader_device *device = proof->device;
	const struct duplicate wrapped = duplicate_of(&proof->wrapped);
	int r;

	if (proof->credential.len > 0)
		r = device->activate(device->arg, buf_slice(&proof->credential), &secret, err);
	else
		r = device->unwrap(device->arg, &wrapped, &secret, err);
	/* What this key does not open was not made for this device. */
	if (r == ERR_DAMAGED || r == ERR_INVALID)
		return err_set(err, FAULT_UPSTREAM,
			       "the API's challenge does not open on this device");
	return r < 0 ? r : keep_text(proof, secret, err);
}

/* --- the challenge --- */

static int read_wrapped(const struct json_t *wrapped, struct duplicate_made *made, struct err *err)
{
	static const char *const NAMES[] = {"public", "duplicate", "seed"};
	int r = json_only(wrapped, NAMES, ARRAY_LEN(NAMES), err);

	if (r == 0)
		r = json_get_bytes(wrapped, "public", true, &made->public_area, err);
	if (r == 0)
		r = json_get_bytes(wrapped, "duplicate", true, &made->private_area, err);
	return r < 0 ? r : json_get_bytes(wrapped, "seed", true, &made->seed, err);
}

static int read_challenge(struct proof *proof, struct slice body, struct err *err)
{
	static const char *const NAMES[] = {"credential", "wrapped"};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const struct json_t *wrapped;
	struct duplicate duplicate;
	int r = json_parse(body, &json, err);

	if (r == 0)
		r = json_only(json, NAMES, ARRAY_LEN(NAMES), err);
	if (r < 0)
		return r;
	if (json_object_size(json) != 1)
		return err_set(err, ERR_INVALID, "one of /credential and /wrapped");
	wrapped = json_object_get(json, "wrapped");
	if (!wrapped) {
		r = json_get_bytes(json, "credential", true, &proof->credential, err);
		if (r == 0 && proof->credential.len == 0)
			r = err_set(err, ERR_INVALID, "/credential: empty");
		return r;
	}
	if (!json_is_object(wrapped))
		return err_set(err, ERR_INVALID, "/wrapped: no object");
	r = read_wrapped(wrapped, &proof->wrapped, err);
	duplicate = duplicate_of(&proof->wrapped);
	return r < 0 ? r : duplicate_check(&duplicate, err);
}

static void got_challenge(void *arg, struct slice body, const struct err *failure)
{
	struct proof *proof = arg;
	struct err err;
	int r;

	if (failure) {
		proof->call = NULL;
		proof_done(proof, failure);
		return;
	}
	proof->who = who_hold(session_asker(proof->call));
	proof->call = NULL;
	r = read_challenge(proof, body, &err);
	if (r < 0 && r != ERR_INTERNAL)
		r = err_set(&err, FAULT_UPSTREAM, "the API's challenge is none");
	proof->next = keep_answer;
	if (r == 0)
		r = task_run(&proof->task, answer_step, &err);
	if (r < 0)
		proof_done(proof, &err);
}

/* --- the device --- */

static void tell_api(struct proof *proof)
{
	struct err err;

	if (session_challenge(proof->session, buf_slice(&proof->json), got_challenge, proof,
			      &proof->call, &err) < 0)
		proof_done(proof, &err);
}

static int describe_step(void *arg, struct err *err)
{
	struct proof *proof = arg;
	const struct loader_device *device = proof->device;
	int r = device->describe(device->arg, &proof->json, err);

	if (r == 0 && !buf_ok(&proof->json))
		r = err_set(err, ERR_TOO_LARGE, "what is told of this device is too large");
	return r;
}

int proof_begin(struct session *session, struct err *err)
{
	CLEANUP(proof_cleanup) struct proof *proof = NULL;
	int r;

	if (session->proof)
		return 0;
	proof = calloc(1, sizeof(*proof));
	if (!proof)
		return err_set(err, ERR_INTERNAL, "memory is short");
	task_init(&proof->task, session->jobs, step_ended, proof);
	proof->task.priority = JOB_NORMAL;
	proof->session = session;
	proof->device = session->config->device;
	proof->next = tell_api;
	proof->json = (struct buf)BUF_INIT(DEVICE_MAX);
	proof->credential = (struct buf)BUF_INIT(CREDENTIAL_FILE_MAX);
	proof->wrapped = (struct duplicate_made)DUPLICATE_MADE_INIT;
	r = task_run(&proof->task, describe_step, err);
	if (r == 0)
		session->proof = TAKE(proof);
	return r;
}

void proof_end(struct session *session)
{
	struct proof *proof = TAKE(session->proof);

	if (!proof)
		return;
	session_leave(TAKE(proof->call));
	proof->session = NULL;
	if (!task_busy(&proof->task))
		proof_free(proof);
	else
		task_cancel(&proof->task);
}
