/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call is sent with the token in force. Where that is refused the call waits for another,
 * together with all others that it happens to, and is sent once more. Tokens have numbers, so that
 * a refusal is known to be of the token in force or of one that has been replaced meanwhile.
 */
#include "loader/session_impl.h"

#include "artifact/v1.h"
#include "loader/fault.h"

/* A call that is not a login. */
struct call {
	struct session_call base;
	struct call *prev, *next;
	struct upstream_call *upstream;
	struct who *who; /* who asked */
	uint64_t number; /* of the token it was asked with */
	bool again;	 /* it is the second time */
	bool waiting;	 /* for the exchange */
	uint64_t proof;	 /* the number of what it was asked with */
	bool proved;	 /* the API has forgotten this device once, it is the second time */
	enum { PROOF_NONE, PROOF_AWAITED, PROOF_ENDED } proving;
	char folder[RESOURCE_FOLDER_MAX + 1];
	char file[RESOURCE_FILE_MAX + 1];
	char manifest[MANIFEST_DIGEST_HEX];
	struct buf content;	 /* to be put */
	struct loop_timer timer; /* session_hurry() */
};

/* --- the session --- */

int session_new(struct jobs *jobs, struct fetch *fetch, const struct loader_config *config,
		struct session **ret_session, struct err *err)
{
	CLEANUP(session_cleanup) struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return err_set(err, ERR_INTERNAL, "memory is short");
	session->jobs = jobs;
	session->config = config;
	r = session_check(config, err);
	if (r == 0)
		r = upstream_new(jobs_loop(jobs), fetch, config->api_url, &session->upstream, err);
	if (r == 0)
		*ret_session = TAKE(session);
	return r;
}

void session_note(const struct session *session, enum loader_note level, const char *text)
{
	if (session->config->note)
		session->config->note(session->config->note_arg, level, text);
}

bool session_active(const struct session *session)
{
	return session->who != NULL;
}

/* --- a call's life --- */

static void call_free(struct call *call)
{
	if (!call)
		return;
	who_free(call->who);
	buf_fini(&call->content);
	free(call);
}

static void call_cleanup(struct call **call)
{
	call_free(*call);
}

static void call_link(struct call *call)
{
	struct session *session = call->base.session;

	call->next = (struct call *)session->calls;
	if (call->next)
		call->next->prev = call;
	session->calls = &call->base;
}

static void call_unlink(struct call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->base.session->calls = (struct session_call *)call->next;
	if (call->next)
		call->next->prev = call->prev;
	loop_timer_clear(&call->timer);
}

static void call_end(struct call *call, struct slice bytes, const struct err *err)
{
	call_unlink(call);
	if (call->base.bytes)
		call->base.bytes(call->base.arg, bytes, err);
	else if (call->base.done)
		call->base.done(call->base.arg, err);
	call_free(call);
}

static void call_fail(struct call *call, const struct err *err)
{
	call_end(call, slice_of(NULL, 0), err);
}

static int not_logged_in(struct err *err)
{
	return err_set(err, FAULT_NOT_LOGGED_IN, "nobody is logged in");
}

/* --- sending --- */

static void answered(void *arg, struct slice bytes, const struct err *err);

static int send_small(struct call *call, struct err *err)
{
	const struct upstream_wish wish = {
		.token = call->who->token,
		.password = call->who->password,
		.hardware = call->who->hardware,
		.folder = slice_str(call->folder),
		.file = call->file,
	};

	return upstream_get(call->base.session->upstream, &wish, answered, call, &call->upstream,
			    err);
}

static int send_put(struct call *call, struct err *err)
{
	const struct upstream_gift gift = {
		.token = call->who->token,
		.folder = slice_str(call->folder),
		.file = call->file,
		.bytes = buf_slice(&call->content),
	};

	return upstream_put(call->base.session->upstream, &gift, answered, call, &call->upstream,
			    err);
}

static int send_fragment(struct call *call, struct err *err)
{
	return upstream_fragment(call->base.session->upstream, call->who->token, answered, call,
				 &call->upstream, err);
}

static struct resource resource_of(const struct call *call)
{
	return (struct resource){slice_str(call->folder), slice_str(call->file)};
}

static int send_manifest(struct call *call, struct err *err)
{
	const struct resource resource = resource_of(call);

	return upstream_manifest(call->base.session->upstream, call->who->token, &resource,
				 answered, call, &call->upstream, err);
}

static int send_challenge(struct call *call, struct err *err)
{
	return upstream_device(call->base.session->upstream, call->who->token,
			       buf_slice(&call->content), answered, call, &call->upstream, err);
}

static int send_key(struct call *call, struct err *err)
{
	const struct upstream_key_wish wish = {
		.token = call->who->token,
		.device = call->who->device,
		.resource = resource_of(call),
		.manifest = call->manifest,
	};
	int r;

	if (wish.device) {
		call->proof = call->who->proof;
		return upstream_key(call->base.session->upstream, &wish, answered, call,
				    &call->upstream, err);
	}
	r = proof_begin(call->base.session, err);
	if (r == 0)
		call->proving = PROOF_AWAITED;
	return r;
}

/* NULL: nothing is to be sent, a token in force is all that was wanted. */
static int (*const senders[])(struct call *call, struct err *err) = {
	[SESSION_SMALL] = send_small,	    [SESSION_PUT] = send_put,
	[SESSION_FRAGMENT] = send_fragment, [SESSION_RENEW] = NULL,
	[SESSION_MANIFEST] = send_manifest, [SESSION_CHALLENGE] = send_challenge,
	[SESSION_KEY] = send_key,
};

static int call_send(struct call *call, struct err *err)
{
	struct session *session = call->base.session;

	if (!session->who)
		return not_logged_in(err);
	if (session->exchange) {
		call->waiting = true;
		return 0;
	}
	who_free(call->who);
	call->who = who_hold(session->who);
	call->number = call->who->number;
	return senders[call->base.kind](call, err);
}

/* After an exchange, or instead of one. */
static void call_go_on(struct call *call)
{
	struct err err;

	if (!call->base.session->who)
		(void)not_logged_in(&err);
	else if (!senders[call->base.kind])
		err.code = 0;
	else if (call_send(call, &err) == 0)
		return;
	call_fail(call, err.code < 0 ? &err : NULL);
}

/* --- the exchange --- */

static struct call *next_waiting(const struct session *session)
{
	struct call *call = (struct call *)session->calls;

	while (call && !call->waiting)
		call = call->next;
	return call;
}

/* Each may call back, and so change the list. */
static void end_waiting(struct session *session, const struct err *err)
{
	struct call *call;

	while ((call = next_waiting(session))) {
		call->waiting = false;
		if (err)
			call_fail(call, err);
		else
			call_go_on(call);
	}
}

/* Who waits for the exchange waits for nothing now. */
static void log_out(struct session *session)
{
	struct err err;

	upstream_leave(TAKE(session->exchange));
	who_free(TAKE(session->who));
	session_note(session, LOADER_NOTICE,
		     "the API does not take the login any more: nobody is logged in");
	(void)err_set(&err, FAULT_NOT_LOGGED_IN, "the API does not take the login any more");
	end_waiting(session, &err);
}

static void exchanged(void *arg, struct slice token, const struct err *failure)
{
	struct session *session = arg;
	struct err err;
	int r;

	session->exchange = NULL;
	if (failure)
		err = *failure;
	r = failure ? err.code : session_token_set(session, session->who, token, &err);
	if (r == 0)
		session->who->renewed_us = clock_monotonic_us();
	if (r == FAULT_CREDENTIALS)
		log_out(session);
	else
		end_waiting(session, r < 0 ? &err : NULL);
}

static int call_wait(struct call *call, struct err *err)
{
	struct session *session = call->base.session;
	struct who *who = session->who;
	int r = 0;

	if (!session->exchange)
		r = upstream_login(session->upstream, who->email, who->password, exchanged, session,
				   &session->exchange, err);
	call->waiting = r == 0;
	return r;
}

void session_enforce(struct session *session, struct who *who)
{
	upstream_leave(TAKE(session->exchange));
	who_free(session->who);
	session->who = who_hold(who);
	session->silent_us = 0;
	end_waiting(session, NULL);
}

/* --- the proof --- */

static struct call *next_proving(const struct session *session, int state)
{
	struct call *call = (struct call *)session->calls;

	while (call && (int)call->proving != state)
		call = call->next;
	return call;
}

/* Those that wait now: one that goes on may wait for another proof, when the login is another. */
void session_proved(struct session *session, const struct err *err)
{
	struct call *call;

	while ((call = next_proving(session, PROOF_AWAITED)))
		call->proving = PROOF_ENDED;
	while ((call = next_proving(session, PROOF_ENDED))) {
		call->proving = PROOF_NONE;
		if (err)
			call_fail(call, err);
		else
			call_go_on(call);
	}
}

/* The API has forgotten this device, or the time of its session is over: once more. */
static void forgotten(struct call *call)
{
	struct who *who = call->who;
	struct err err;

	if (call->proved) {
		(void)err_set(&err, FAULT_UPSTREAM,
			      "the API forgets this device as soon as it has shown itself");
		call_fail(call, &err);
		return;
	}
	call->proved = true;
	if (who->proof == call->proof)
		secret_free(TAKE(who->device));
	call_go_on(call);
}

/* --- answers --- */

/* Not worth another exchange: the API gave it this moment, and knows it. */
static bool is_fresh(const struct who *who)
{
	return who->renewed_us > 0 && clock_monotonic_us() - who->renewed_us < SESSION_FRESH_US;
}

/*
 * The API has refused the token of this call. A new one that is refused too is no matter of the
 * session: others may still do what this call may not.
 */
static void refused(struct call *call)
{
	struct session *session = call->base.session;
	bool in_force = session->who && session->who->number == call->number;
	struct err err;

	if (call->again || (in_force && is_fresh(session->who))) {
		(void)err_set(&err, ERR_FORBIDDEN, "the API refuses this, also with a new token");
		call_fail(call, &err);
		return;
	}
	call->again = true;
	if (!in_force)
		call_go_on(call);
	else if (call_wait(call, &err) < 0)
		call_fail(call, &err);
}

/* The API knows this user or his password no more. Another's login meanwhile stays. */
static void credentials_refused(struct call *call, const struct err *refusal)
{
	struct session *session = call->base.session;
	struct err err;

	if (session->who == call->who)
		log_out(session);
	(void)err_set(&err, FAULT_NOT_LOGGED_IN, "%s", refusal->text);
	call_fail(call, &err);
}

/* A small part comes under its user's seal. It is some 3 KiB, so the loop opens it. */
static void give_opened(struct call *call, struct slice bytes)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct err err;

	if (v1_open_bytes(call->who->key, bytes, &plain, &err) < 0)
		call_fail(call, &err);
	else
		call_end(call, secret_slice(plain), NULL);
}

bool session_is_silent(const struct session *session)
{
	return session->silent_us > 0 &&
	       clock_monotonic_us() - session->silent_us < SESSION_SILENT_US;
}

static void hear_silence(const struct call *call)
{
	struct session *session = call->base.session;

	if (!upstream_is_silent(session->upstream))
		session->silent_us = 0;
	else if (call->base.kind == SESSION_MANIFEST)
		session->silent_us = clock_monotonic_us();
}

static void too_late(void *arg)
{
	struct call *call = arg;
	struct err err;

	call->base.session->silent_us = clock_monotonic_us();
	upstream_leave(TAKE(call->upstream));
	(void)err_set(&err, FAULT_UPSTREAM, "manifest: the API does not answer in time");
	call_fail(call, &err);
}

int session_hurry(struct session_call *call, uint64_t limit_us, struct err *err)
{
	return loop_timer_set(&((struct call *)call)->timer, limit_us, err);
}

static void answered(void *arg, struct slice bytes, const struct err *err)
{
	struct call *call = arg;

	call->upstream = NULL;
	hear_silence(call);
	if (err && err->code == FAULT_NOT_LOGGED_IN)
		refused(call);
	else if (err && err->code == FAULT_CREDENTIALS)
		credentials_refused(call, err);
	else if (err && err->code == UPSTREAM_NO_DEVICE)
		forgotten(call);
	else if (err)
		call_fail(call, err);
	else if (call->base.kind == SESSION_SMALL)
		give_opened(call, bytes);
	else
		call_end(call, bytes, NULL);
}

/* --- what others ask for --- */

static int call_new(struct session *session, enum session_kind kind, struct call **ret_call,
		    struct err *err)
{
	struct call *call;

	if (!session->who)
		return not_logged_in(err);
	call = calloc(1, sizeof(*call));
	if (!call)
		return err_set(err, ERR_INTERNAL, "memory is short");
	call->base.kind = kind;
	call->base.session = session;
	call->content = (struct buf)BUF_INIT(V1_BYTES_MAX);
	loop_timer_init(&call->timer, jobs_loop(session->jobs), too_late, call);
	*ret_call = call;
	return 0;
}

static int name_part(struct call *call, const struct resource *resource, struct err *err)
{
	int r = resource_check(resource, err);

	if (r < 0)
		return r;
	memcpy(call->folder, resource->folder.data, resource->folder.len);
	call->folder[resource->folder.len] = '\0';
	return resource_file(resource->name, RESOURCE_SMALL, call->file, err);
}

static int call_begin(struct call **call, struct session_call **ret_call, struct err *err)
{
	int r = call_send(*call, err);

	if (r < 0)
		return r;
	call_link(*call);
	*ret_call = &TAKE(*call)->base;
	return 0;
}

int session_small(struct session *session, const struct resource *resource, session_bytes_fn done,
		  void *arg, struct session_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_SMALL, &call, err);

	if (r == 0)
		r = name_part(call, resource, err);
	if (r < 0)
		return r;
	call->base.bytes = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

int session_put_small(struct session *session, const struct resource *resource, struct slice bytes,
		      loader_done_fn done, void *arg, struct session_call **ret_call,
		      struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_PUT, &call, err);

	if (r == 0)
		r = name_part(call, resource, err);
	if (r < 0)
		return r;
	buf_put(&call->content, bytes);
	if (!buf_ok(&call->content))
		return err_set(err, ERR_TOO_LARGE, "the small part is too large");
	call->base.done = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

int session_fragment(struct session *session, session_bytes_fn done, void *arg,
		     struct session_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_FRAGMENT, &call, err);

	if (r < 0)
		return r;
	call->base.bytes = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

static int name_artifact(struct call *call, const struct resource *resource, struct err *err)
{
	int r = resource_check_artifact(resource, err);

	if (r < 0)
		return r;
	memcpy(call->folder, resource->folder.data, resource->folder.len);
	memcpy(call->file, resource->name.data, resource->name.len);
	return 0;
}

int session_manifest(struct session *session, const struct resource *resource,
		     session_bytes_fn done, void *arg, struct session_call **ret_call,
		     struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_MANIFEST, &call, err);

	if (r == 0)
		r = name_artifact(call, resource, err);
	if (r < 0)
		return r;
	call->base.bytes = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

struct who *session_asker(const struct session_call *call)
{
	return ((const struct call *)call)->who;
}

int session_challenge(struct session *session, struct slice device, session_bytes_fn done,
		      void *arg, struct session_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_CHALLENGE, &call, err);

	if (r < 0)
		return r;
	buf_put(&call->content, device);
	if (!buf_ok(&call->content))
		return err_set(err, ERR_INTERNAL, "memory is short");
	call->base.bytes = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

int session_device_key(struct session *session, const struct resource *resource,
		       const uint8_t manifest[MANIFEST_DIGEST], session_bytes_fn done, void *arg,
		       struct session_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r;

	if (!session->config->device)
		return err_set(err, ERR_TPM_REQUIRED, "there is no service that opens device keys");
	r = call_new(session, SESSION_KEY, &call, err);
	if (r == 0)
		r = name_artifact(call, resource, err);
	if (r < 0)
		return r;
	manifest_hex(manifest, call->manifest);
	call->base.bytes = done;
	call->base.arg = arg;
	return call_begin(&call, ret_call, err);
}

int session_renew(struct session *session, uint64_t token, loader_done_fn done, void *arg,
		  struct session_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct call *call = NULL;
	int r = call_new(session, SESSION_RENEW, &call, err);

	if (r == 0 && session->who->number != token) {
		*ret_call = NULL;
		return 0;
	}
	if (r == 0)
		r = call_wait(call, err);
	if (r < 0)
		return r;
	call->base.done = done;
	call->base.arg = arg;
	call_link(call);
	*ret_call = &TAKE(call)->base;
	return 0;
}

/* --- leaving --- */

void session_leave(struct session_call *call)
{
	struct call *own = (struct call *)call;

	if (!call)
		return;
	if (call->kind == SESSION_LOGIN) {
		login_leave(call);
		return;
	}
	/* What is to be put goes on: half a release helps nobody. */
	if (call->kind == SESSION_PUT) {
		call->done = NULL;
		return;
	}
	call_unlink(own);
	upstream_leave(own->upstream);
	call_free(own);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	logins_end(session);
	proof_end(session);
	while (session->calls) {
		struct call *call = (struct call *)session->calls;

		call_unlink(call);
		upstream_leave(call->upstream);
		call_free(call);
	}
	upstream_leave(session->exchange);
	upstream_free(session->upstream);
	who_free(session->who);
	free(session);
}
