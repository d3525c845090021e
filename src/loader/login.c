/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A login: fingerprint (pool), POST /login, cdn.yaml where it is needed; then it is in force, and a
 * fingerprint that was made for it is recorded (pool). Until it is in force nothing of the session
 * has changed.
 *
 * What the pool works on is a record of its own, which outlives the login where the session goes.
 */
#include "loader/session_impl.h"

#include "artifact/fingerprint.h"
#include "artifact/v1.h"
#include "base/file.h"
#include "loader/fault.h"
#include "loader/task.h"

#define RECORD	 ".fingerprint" /* as no folder of resources is called */
#define CDN_FILE "cdn.yaml"

/* The fingerprint, for the pool. */
struct record {
	struct task task;
	const struct loader_config *config;
	struct login *login; /* NULL: it is gone */
	/* Behind the step, where the login is there: @record goes when it returns. */
	void (*done)(struct login *login, const struct record *record, const struct err *err);
	struct buf text; /* one line, with its end */
	bool made;	 /* and not read: to be recorded */
};

struct login {
	struct session_call base;
	struct login *prev, *next;
	struct who *who;
	struct record *record;
	struct upstream_call *upstream;
	struct buf fingerprint; /* what is to be recorded; empty: nothing */
};

static void login_free(struct login *login)
{
	if (!login)
		return;
	upstream_leave(login->upstream);
	if (login->record)
		login->record->login = NULL;
	who_free(login->who);
	buf_fini(&login->fingerprint);
	free(login);
}

static void login_cleanup(struct login **login)
{
	login_free(*login);
}

static void login_unlink(struct login *login)
{
	struct session *session = login->base.session;

	if (login->prev)
		login->prev->next = login->next;
	else
		session->logins = login->next;
	if (login->next)
		login->next->prev = login->prev;
	session->login_count--;
}

static void login_link(struct login *login)
{
	struct session *session = login->base.session;

	login->next = session->logins;
	if (login->next)
		login->next->prev = login;
	session->logins = login;
	session->login_count++;
}

static void login_end(struct login *login, const struct err *err)
{
	login_unlink(login);
	if (login->base.done)
		login->base.done(login->base.arg, err);
	login_free(login);
}

/* It goes on, for the device rather than for who asked. */
void login_leave(struct session_call *call)
{
	call->done = NULL;
}

void logins_end(struct session *session)
{
	while (session->logins) {
		struct login *login = session->logins;

		login_unlink(login);
		login_free(login);
	}
}

/* --- the fingerprint --- */

static void record_free(struct record *record)
{
	if (!record)
		return;
	buf_fini(&record->text);
	free(record);
}

static void record_cleanup(struct record **record)
{
	record_free(*record);
}

static void record_ended(void *arg, const struct err *err)
{
	CLEANUP(record_cleanup) struct record *record = arg;
	struct login *login = record->login;

	if (!login)
		return;
	login->record = NULL;
	record->done(login, record, err);
}

static int record_new(struct login *login, struct record **ret_record, struct err *err)
{
	const struct session *session = login->base.session;
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return err_set(err, ERR_INTERNAL, "memory is short");
	task_init(&record->task, session->jobs, record_ended, record);
	record->task.priority = JOB_NORMAL;
	record->config = session->config;
	record->login = login;
	record->text = (struct buf)BUF_INIT(FINGERPRINT_MAX + 1);
	*ret_record = record;
	return 0;
}

/* Takes @record over when it begins. */
static int record_run(struct record **record, task_step_fn step, struct err *err)
{
	int r = task_run(&(*record)->task, step, err);

	if (r < 0)
		return r;
	(*record)->login->record = *record;
	*record = NULL;
	return 0;
}

static int make_text(struct record *record, struct err *err)
{
	const struct loader_config *config = record->config;
	int r;

	record->text.max = FINGERPRINT_MAX;
	record->made = true;
	r = config->machine(config->machine_arg, &record->text, err);
	if (r < 0)
		return r;
	record->text.max = FINGERPRINT_MAX + 1;
	buf_put_u8(&record->text, '\n');
	return 0;
}

/* Whatever it is, it is not the fault of who logs in. */
static int tell(const struct record *record, struct err *err)
{
	(void)err_wrap(err, record->made ? "the fingerprint of this machine"
					 : "the recorded fingerprint");
	if (err->code == ERR_INTERNAL)
		return err->code;
	err->code = record->made ? ERR_NOT_SUPPORTED : ERR_UNREADABLE;
	return err_add_remedy(err, record->made ? "Pin the fingerprint by fingerprint_file."
						: "Look at the file `" RECORD "` in cache_dir; "
						  "nothing was overwritten.");
}

/* Only where there is no record at all a new one may be made: it decides what opens. */
static int read_step(void *arg, struct err *err)
{
	struct record *record = arg;
	struct slice text;
	int r = file_read(record->config->cache_dir, RECORD, &record->text, err);

	if (r == ERR_NOT_FOUND)
		r = make_text(record, err);
	if (r == 0 && !buf_ok(&record->text))
		r = err_set(err, ERR_INTERNAL, "memory is short");
	if (r == 0)
		r = fingerprint_pinned(buf_slice(&record->text), &text, err);
	return r < 0 ? tell(record, err) : 0;
}

static int write_step(void *arg, struct err *err)
{
	struct record *record = arg;

	return file_write(record->config->cache_dir, RECORD, buf_slice(&record->text), 0600,
			  FILE_CREATE, err);
}

/* --- the end --- */

static void recorded(struct login *login, const struct record *record, const struct err *err)
{
	(void)record;
	if (err)
		session_note(login->base.session, LOADER_WARNING,
			     "the machine's fingerprint could not be recorded; it is made anew at "
			     "the next login");
	else
		session_note(login->base.session, LOADER_INFO,
			     "the machine's fingerprint is recorded");
	login_end(login, NULL);
}

static int keep_fingerprint(struct login *login, struct err *err)
{
	CLEANUP(record_cleanup) struct record *record = NULL;
	int r = record_new(login, &record, err);

	if (r < 0)
		return r;
	record->done = recorded;
	buf_put(&record->text, buf_slice(&login->fingerprint));
	return record_run(&record, write_step, err);
}

static void succeed(struct login *login)
{
	struct session *session = login->base.session;
	struct err err;

	session_enforce(session, login->who);
	if (login->fingerprint.len == 0)
		login_end(login, NULL);
	else if (keep_fingerprint(login, &err) < 0)
		login_end(login, &err);
}

/* --- the API --- */

/* A token that was given this moment and is not taken: whoever this is may not do anything. */
static void got_cdn(void *arg, struct slice bytes, const struct err *failure)
{
	CLEANUP(secret_cleanup) struct secret *yaml = NULL;
	struct login *login = arg;
	struct err err = {0};
	int r;

	login->upstream = NULL;
	if (failure)
		err = *failure;
	r = failure ? err.code : v1_open_bytes(login->who->key, bytes, &yaml, &err);
	if (r == 0)
		r = cdn_learn(login->base.session->config, secret_slice(yaml), login->who, &err);
	if (r == 0) {
		succeed(login);
		return;
	}
	if (r == FAULT_NOT_LOGGED_IN)
		err.code = FAULT_CREDENTIALS;
	(void)err_wrap(&err, CDN_FILE);
	login_end(login, &err);
}

static int get_cdn(struct login *login, struct err *err)
{
	const struct upstream_wish wish = {
		.token = login->who->token,
		.password = login->who->password,
		.hardware = login->who->hardware,
		.file = CDN_FILE,
	};

	return upstream_get(login->base.session->upstream, &wish, got_cdn, login, &login->upstream,
			    err);
}

static void got_token(void *arg, struct slice token, const struct err *failure)
{
	struct login *login = arg;
	struct session *session = login->base.session;
	struct err err;
	int r;

	login->upstream = NULL;
	if (failure) {
		login_end(login, failure);
		return;
	}
	r = session_token_set(session, login->who, token, &err);
	if (r == 0 && cdn_unknown(session->config))
		r = get_cdn(login, &err);
	else if (r == 0)
		succeed(login);
	if (r < 0)
		login_end(login, &err);
}

/* With the fingerprint, which a formula without hardware has none of. */
static int ask_api(struct login *login, struct slice fingerprint, struct err *err)
{
	const struct loader_config *config = login->base.session->config;
	struct who *who = login->who;
	const struct v1_user user = {
		.email = secret_slice(who->email),
		.password = secret_slice(who->password),
		.fingerprint = fingerprint,
	};
	int r = v1_key_user(config->formula, &config->salts, &user, &who->key, err);

	if (r == 0 && config->formula == V1_HW) {
		r = v1_key_hardware(&config->salts, fingerprint, who->hardware_text, err);
		who->hardware = slice_of(who->hardware_text, sizeof(who->hardware_text));
	}
	return r < 0 ? r
		     : upstream_login(login->base.session->upstream, who->email, who->password,
				      got_token, login, &login->upstream, err);
}

static void got_fingerprint(struct login *login, const struct record *record,
			    const struct err *failure)
{
	struct slice text;
	struct err err;
	int r;

	if (failure) {
		login_end(login, failure);
		return;
	}
	r = fingerprint_pinned(buf_slice(&record->text), &text, &err);
	if (r == 0 && record->made)
		buf_put(&login->fingerprint, buf_slice(&record->text));
	if (r == 0)
		r = ask_api(login, text, &err);
	if (r < 0)
		login_end(login, &err);
}

static int begin(struct login *login, struct err *err)
{
	CLEANUP(record_cleanup) struct record *record = NULL;
	const struct loader_config *config = login->base.session->config;
	int r;

	if (config->formula == V1_NOHW || config->fingerprint.len > 0)
		return ask_api(login, config->fingerprint, err);
	r = record_new(login, &record, err);
	if (r < 0)
		return r;
	record->done = got_fingerprint;
	return record_run(&record, read_step, err);
}

/* --- what others ask for --- */

static int check_field(struct slice field, const char *what, struct err *err)
{
	if (field.len == 0 || field.len > V1_FIELD_MAX)
		return err_set(err, ERR_INVALID, "the %s is not 1 to %u bytes", what, V1_FIELD_MAX);
	if (memchr(field.data, '\0', field.len))
		return err_set(err, ERR_INVALID, "the %s holds a NUL", what);
	return 0;
}

int session_login(struct session *session, struct slice email, struct slice password,
		  loader_done_fn done, void *arg, struct session_call **ret_call, struct err *err)
{
	CLEANUP(login_cleanup) struct login *login = NULL;
	int r = check_field(email, "email", err);

	if (r == 0)
		r = check_field(password, "password", err);
	if (r == 0 && session->login_count == SESSION_LOGINS)
		r = err_set(err, FAULT_BUSY, "too many logins at once");
	if (r < 0)
		return r;
	login = calloc(1, sizeof(*login));
	if (!login)
		return err_set(err, ERR_INTERNAL, "memory is short");
	login->base = (struct session_call){
		.kind = SESSION_LOGIN, .session = session, .done = done, .arg = arg};
	login->fingerprint = (struct buf)BUF_INIT(FINGERPRINT_MAX + 1);
	r = who_new(email, password, &login->who, err);
	if (r == 0)
		r = begin(login, err);
	if (r < 0)
		return r;
	login_link(login);
	*ret_call = &TAKE(login)->base;
	return 0;
}
