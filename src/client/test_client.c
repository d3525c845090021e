/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library against a scripted service: a child process that plays its steps in order and keeps
 * what it was sent. Its exit code tells that every step was reached, so the number of connections
 * and requests is checked as well; an alarm ends it when the library does not do its part.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "client/call.h"

#define ALARM_S	    20u
#define REQUEST_MAX (8u * 1024u * 1024u)
#define NAMES_MAX   64u
#define BIG	    (4u * 1024u * 1024u) /* more than a socket takes without a reader */

/* --- the scripted service --- */

enum then {
	KEEP,	/* the next step comes on the same connection */
	CLOSE,	/* the next step accepts a new one */
	LINGER, /* waits for the library to close, then as CLOSE */
	DRIP,	/* sends one byte after the other until the library closes */
};

struct step {
	const char *answer; /* NULL = none */
	const char *body;   /* sent behind the answer and its length, which is then added */
	size_t piece;	    /* bytes per write; 0 = all at once */
	enum then then;
	bool head_only; /* does not read the body of the request */
};

struct fake {
	char folder[64];
	char path[96];
	int listener;
	int log; /* a memory file that both processes have */
	pid_t child;
	struct hf *hf;
};

static int fake_setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fake *fake = calloc(1, sizeof(*fake));
	const char *temp = getenv("TMPDIR");

	assert_non_null(fake);
	if (!temp || strlen(temp) > 32)
		temp = "/tmp";
	(void)snprintf(fake->folder, sizeof(fake->folder), "%s/hf-client-XXXXXX", temp);
	assert_non_null(mkdtemp(fake->folder));
	(void)snprintf(fake->path, sizeof(fake->path), "%s/sock", fake->folder);
	memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fake->listener >= 0);
	assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake->listener, 8), 0);
	fake->log = memfd_create("requests", MFD_CLOEXEC);
	assert_true(fake->log >= 0);
	assert_int_equal(hf_open(fake->path, &fake->hf), 0);
	hf_set_timeout_ms(fake->hf, ALARM_S * 1000u);
	*state = fake;
	return 0;
}

static int fake_teardown(void **state)
{
	struct fake *fake = *state;

	hf_close(fake->hf);
	if (fake->child > 0) {
		(void)kill(fake->child, SIGKILL);
		(void)waitpid(fake->child, NULL, 0);
	}
	close(fake->listener);
	close(fake->log);
	(void)unlink(fake->path);
	(void)rmdir(fake->folder);
	free(fake);
	return 0;
}

static void child_check(bool good)
{
	if (!good)
		_exit(1);
}

/* The length of the body that the request's head announces. */
static size_t announced(const char *head)
{
	const char *field = strstr(head, "Content-Length: ");

	return field ? strtoul(field + strlen("Content-Length: "), NULL, 10) : 0;
}

/* Reads one request; false when the connection ended before its first byte. */
static bool child_read(const struct fake *fake, int fd, bool head_only)
{
	static char bytes[REQUEST_MAX + 1];
	size_t len = 0, want = SIZE_MAX;
	ssize_t n;

	while (len < want) {
		/* Byte by byte through the head, so that its body can be left unread. */
		n = read(fd, bytes + len, want == SIZE_MAX ? 1 : want - len);
		if (n == 0 && len == 0)
			return false;
		child_check(n > 0);
		len += (size_t)n;
		bytes[len] = '\0';
		if (want == SIZE_MAX && len >= 4 && strcmp(bytes + len - 4, "\r\n\r\n") == 0)
			want = len + (head_only ? 0 : announced(bytes));
		child_check(len < REQUEST_MAX && (want == SIZE_MAX || want < REQUEST_MAX));
	}
	child_check(write(fake->log, bytes, len) == (ssize_t)len);
	return true;
}

static void child_answer(int fd, const struct step *step)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(REQUEST_MAX);
	size_t at, n;

	buf_put_str(&bytes, step->answer);
	if (step->body)
		buf_printf(&bytes, "Content-Length: %zu\r\n\r\n%s", strlen(step->body), step->body);
	for (at = 0; at < bytes.len; at += n) {
		n = bytes.len - at;
		if (step->piece > 0 && n > step->piece)
			n = step->piece;
		child_check(send(fd, bytes.data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
	}
}

static void child_end(int fd, enum then then)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN | POLLRDHUP};

	while (then == DRIP && poll(&pollfd, 1, 1) == 0)
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	if (then == LINGER)
		(void)poll(&pollfd, 1, -1);
	close(fd);
}

static void child_run(const struct fake *fake, const struct step *steps, size_t count)
{
	int fd = -1;
	size_t i;

	alarm(ALARM_S);
	for (i = 0; i < count; i++) {
		if (fd < 0)
			fd = accept(fake->listener, NULL, NULL);
		child_check(fd >= 0);
		child_check(child_read(fake, fd, steps[i].head_only));
		if (steps[i].answer)
			child_answer(fd, &steps[i]);
		if (steps[i].then == KEEP)
			continue;
		child_end(fd, steps[i].then);
		fd = -1;
	}
	_exit(0);
}

static void serve(struct fake *fake, const struct step *steps, size_t count)
{
	fake->child = fork();
	assert_true(fake->child >= 0);
	if (fake->child == 0)
		child_run(fake, steps, count);
}

/* Ends the service: all steps were played. Gives what it was sent. */
static void served(struct fake *fake, struct buf *ret_log)
{
	int status = -1;
	off_t len;

	hf_close(TAKE(fake->hf));
	assert_int_equal(waitpid(fake->child, &status, 0), fake->child);
	fake->child = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	len = lseek(fake->log, 0, SEEK_END);
	assert_true(len >= 0);
	if (len > 0)
		assert_int_equal(pread(fake->log, buf_grow(ret_log, (size_t)len), (size_t)len, 0),
				 len);
	buf_put_u8(ret_log, '\0');
	assert_true(buf_ok(ret_log));
}

static void served_all(struct fake *fake)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(REQUEST_MAX);

	served(fake, &log);
}

/* Heads that lack their length; a body adds it. */
#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\n"
#define OCTETS		   HEAD("200 OK", "application/octet-stream")
#define JSON(status)	   HEAD(status, "application/json")
#define PROBLEM(status)	   HEAD(status, "application/problem+json; charset=utf-8")

/* --- what goes out and what comes in --- */

#define SEALED .answer = OCTETS "Holdfast-Protection: tpm\r\n", .body = "blob"

static void test_seal_in_pieces(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .piece = 1}, {SEALED}, {SEALED, .piece = 3}};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(REQUEST_MAX);
	void *blob;
	size_t len, i;

	serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(hf_seal(fake->hf, "plain", 5, &blob, &len), 0);
		assert_int_equal(len, 4);
		assert_string_equal(blob, "blob");
		assert_string_equal(hf_protection(fake->hf), "tpm");
		assert_string_equal(hf_error_text(fake->hf), "");
		hf_free(blob);
	}
	served(fake, &log);
	assert_ptr_equal(strstr((char *)log.data, "POST /v1/seal HTTP/1.1\r\n"), log.data);
	assert_non_null(strstr((char *)log.data, "\r\nHost: "));
	assert_non_null(strstr((char *)log.data, "\r\nAccept: application/octet-stream\r\n"));
	assert_non_null(strstr((char *)log.data, "\r\nContent-Type: application/octet-stream\r\n"));
	assert_non_null(strstr((char *)log.data, "\r\nContent-Length: 5\r\n\r\nplainPOST "));
}

/* Every call once: its request line, its body, and what it makes of the answer. */
static int visit_two(void *arg, const char *name)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)snprintf(names + len, NAMES_MAX - len, "%s,", name);
	return 0;
}

static void call_secrets(struct hf *hf)
{
	char names[NAMES_MAX] = "";
	void *data;
	size_t len;

	assert_int_equal(hf_secret_put(hf, "a.b", "v", 1, HF_SECRET_CREATE), 0);
	assert_string_equal(hf_protection(hf), "software");
	assert_int_equal(hf_secret_get(hf, "a.b", &data, &len), 0);
	assert_int_equal(len, 0);
	hf_free(data);
	assert_int_equal(hf_secret_list(hf, visit_two, names), 0);
	assert_string_equal(names, "a,b,c,");
	assert_int_equal(hf_secret_delete(hf, "a.b"), 0);
}

static void test_secrets(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{\"protection\":\"software\"}"},
		{.answer = OCTETS, .body = ""},
		{.answer = JSON("200 OK"),
		 .body = "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"next\":\"b\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"secrets\":[{\"name\":\"c\"}],\"next\":null}"},
		{.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(REQUEST_MAX);
	const char *text;

	serve(fake, steps, ARRAY_LEN(steps));
	call_secrets(fake->hf);
	served(fake, &log);
	text = (const char *)log.data;
	assert_non_null(strstr(text, "PUT /v1/secrets/a.b HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "\r\nIf-None-Match: *\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 1\r\n\r\nvGET /v1/secrets/a.b HTTP"));
	assert_non_null(strstr(text, "GET /v1/secrets?limit=1000 HTTP"));
	assert_non_null(strstr(text, "GET /v1/secrets?limit=1000&after=b HTTP"));
	assert_non_null(strstr(text, "DELETE /v1/secrets/a.b HTTP"));
}

static void call_keys(struct hf *hf)
{
	char *text = NULL, *passphrase = NULL;

	assert_int_equal(hf_key_create(hf, "k", "ecc-p256", HF_KEY_EXPORT, NULL), 0);
	assert_int_equal(hf_key_import(hf, "i", "-----\n\"x\"", "p\\", &text), 0);
	assert_string_equal(text, "{\"name\":\"i\"}");
	hf_free(text);
	assert_int_equal(hf_key_public(hf, "k", &text), 0);
	assert_string_equal(text, "PEM");
	hf_free(text);
	assert_int_equal(hf_key_export(hf, "k", &text, &passphrase), 0);
	assert_string_equal(text, "a\nb");
	assert_string_equal(passphrase, "secret");
	hf_free(text);
	hf_free(passphrase);
	assert_int_equal(hf_key_export(hf, "k", &text, &passphrase), 0);
	assert_null(passphrase);
	hf_free(text);
}

static void test_keys(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{}"},
		{.answer = JSON("201 Created"), .body = "{\"name\":\"i\"}"},
		{.answer = JSON("200 OK"), .body = "{\"public\":\"PEM\"}"},
		{.answer = JSON("200 OK"), .body = "{\"pem\":\"a\\nb\",\"passphrase\":\"secret\"}"},
		{.answer = JSON("200 OK"), .body = "{\"pem\":\"PEM\",\"passphrase\":null}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(REQUEST_MAX);
	const char *text;

	serve(fake, steps, ARRAY_LEN(steps));
	call_keys(fake->hf);
	served(fake, &log);
	text = (const char *)log.data;
	assert_non_null(
		strstr(text, "\r\n\r\n{\"name\":\"k\",\"type\":\"ecc-p256\",\"export\":true}"));
	assert_non_null(strstr(text, "{\"name\":\"i\",\"pem\":\"-----\\u000a\\\"x\\\"\","
				     "\"passphrase\":\"p\\\\\"}"));
	assert_non_null(strstr(text, "GET /v1/keys/k HTTP"));
	assert_non_null(strstr(text, "POST /v1/keys/k/export HTTP"));
}

static void test_sign_random_status(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQID\"}"},
		{.answer = OCTETS "Holdfast-Protection: software\r\n", .body = "1234"},
		{.answer = JSON("200 OK"), .body = "{\"uptime\":12}"},
	};
	const struct hf_sign request = {
		.key = "k", .hash = "sha384", .digest = "abc", .digest_len = 3};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(REQUEST_MAX);
	uint8_t random[4];
	void *signature;
	char *status;
	size_t len;

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_sign_digest(fake->hf, &request, &signature, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(signature, "\1\2\3", 3);
	hf_free(signature);
	assert_int_equal(hf_random(fake->hf, random, sizeof(random)), 0);
	assert_memory_equal(random, "1234", 4);
	assert_string_equal(hf_protection(fake->hf), "software");
	assert_int_equal(hf_status_json(fake->hf, &status), 0);
	assert_string_equal(status, "{\"uptime\":12}");
	hf_free(status);
	served(fake, &log);
	assert_non_null(
		strstr((char *)log.data, "\r\n\r\n{\"digest\":\"YWJj\",\"hash\":\"sha384\"}"));
	assert_non_null(strstr((char *)log.data, "{\"bytes\":4}"));
}

/* --- problems --- */

static const struct {
	const char *head;
	const char *body;
	int code;
	const char *text;
	const char *remedy; /* NULL = any */
} PROBLEMS[] = {
	{PROBLEM("404 x"), "{\"code\":\"not_found\",\"detail\":\"no k\",\"remedy\":\"look\"}",
	 HF_NOT_FOUND, "no k", "look"},
	{PROBLEM("503 x"), "{\"code\":\"tpm_required\",\"detail\":\"a\\u001b[1m\\u009bb\"}",
	 HF_TPM_REQUIRED, "a?[1m?b", NULL},
	{PROBLEM("500 x"), "{\"code\":\"of_a_later_release\",\"detail\":\"\"}", HF_INTERNAL, "",
	 NULL},
	{PROBLEM("409 x"), "{}", HF_CONFLICT, "the service answered HTTP 409", NULL},
	{PROBLEM("429 x"), "{\"a\"", HF_QUOTA, "the service answered HTTP 429", NULL},
	{HEAD("400 x", "text/html"), "<html>", HF_INVALID, "the service answered HTTP 400", NULL},
	{HEAD("302 x", "text/html"), "", HF_INTERNAL, "the service answered HTTP 302", NULL},
	{HEAD("200 x", "text/html"), "blob", HF_INTERNAL,
	 "the answer is not what was asked for: its media type", NULL},
};

static void test_problems(void **state)
{
	struct fake *fake = *state;
	struct step steps[ARRAY_LEN(PROBLEMS)];
	void *blob = NULL;
	size_t len = 7, i;

	for (i = 0; i < ARRAY_LEN(PROBLEMS); i++)
		steps[i] = (struct step){.answer = PROBLEMS[i].head, .body = PROBLEMS[i].body};
	serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(PROBLEMS); i++) {
		assert_int_equal(hf_seal(fake->hf, "x", 1, &blob, &len), PROBLEMS[i].code);
		assert_int_equal(hf_error_code(fake->hf), PROBLEMS[i].code);
		assert_string_equal(hf_error_text(fake->hf), PROBLEMS[i].text);
		assert_string_not_equal(hf_error_remedy(fake->hf), "");
		if (PROBLEMS[i].remedy)
			assert_string_equal(hf_error_remedy(fake->hf), PROBLEMS[i].remedy);
		assert_string_equal(hf_protection(fake->hf), "");
		assert_null(blob);
		assert_int_equal(len, 7);
	}
	served_all(fake);
}

/* Well-formed answers that are not what was asked for. */
static void test_unexpected(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS, .body = "abc"},
		{.answer = JSON("200 OK"), .body = "[]"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQI\"}  "},
		{.answer = JSON("200 OK"), .body = "{}"},
		{.answer = JSON("200 OK"), .body = "{\"keys\":[{\"name\":\"../a\"}]}      "},
		{.answer = JSON("200 OK"), .body = "{\"keys\":[],\"next\":\"a b\"}         "},
	};
	const struct hf_sign sign = {.key = "k", .digest = "abc", .digest_len = 3};
	char names[NAMES_MAX] = "";
	char *text = NULL;
	uint8_t random[4];
	void *data = NULL;
	size_t len;

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_random(fake->hf, random, sizeof(random)), HF_INTERNAL);
	assert_int_equal(hf_status_json(fake->hf, &text), HF_INTERNAL);
	assert_int_equal(hf_sign_digest(fake->hf, &sign, &data, &len), HF_INTERNAL);
	assert_int_equal(hf_key_public(fake->hf, "k", &text), HF_INTERNAL);
	assert_int_equal(hf_key_list(fake->hf, visit_two, names), HF_INTERNAL);
	assert_int_equal(hf_key_list(fake->hf, visit_two, names), HF_INTERNAL);
	assert_string_equal(names, "");
	assert_null(text);
	assert_null(data);
	served_all(fake);
}

static int visit_stop(void *arg, const char *name)
{
	(void)name;
	return ++*(int *)arg;
}

static void test_visit_ends_the_walk(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"),
		 .body = "{\"keys\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"next\":\"b\"}"},
	};
	int count = 0;

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_list(fake->hf, visit_stop, &count), 1);
	assert_int_equal(count, 1);
	served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	struct fake *fake = *state;
	const struct hf_sign sign = {.key = "k"};
	static const char *const NAMES[] = {"", ".a", "a/b", "a b", "a%", "\xc3\xa9", NULL};
	char name[130];
	char *text;
	void *data;
	size_t len, i;

	for (i = 0; i < ARRAY_LEN(NAMES); i++) {
		assert_int_equal(hf_secret_get(fake->hf, NAMES[i], &data, &len), HF_INVALID);
		assert_int_equal(hf_key_delete(fake->hf, NAMES[i]), HF_INVALID);
		assert_int_equal(hf_key_create(fake->hf, NAMES[i], "x", 0, &text), HF_INVALID);
	}
	memset(name, 'n', sizeof(name));
	name[129] = '\0';
	assert_int_equal(hf_key_public(fake->hf, name, &text), HF_INVALID);
	assert_int_equal(hf_random(fake->hf, name, 0), HF_INVALID);
	assert_int_equal(hf_random(fake->hf, name, HF_RANDOM_MAX + 1), HF_INVALID);
	assert_int_equal(hf_sign_digest(fake->hf, &sign, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_import(fake->hf, "k", NULL, NULL, &text), HF_INVALID);
	assert_int_equal(hf_seal(fake->hf, "", SIZE_MAX, &data, &len), HF_TOO_LARGE);
}

/* --- connections --- */

static void test_no_service(void **state)
{
	struct fake *fake = *state;
	char *text;

	assert_int_equal(unlink(fake->path), 0);
	assert_int_equal(hf_status_json(fake->hf, &text), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "does not run"));
	assert_non_null(strstr(hf_error_remedy(fake->hf), "systemctl start"));
}

/* Root may open anything, so the question is asked by somebody else. */
static void test_no_permission(void **state)
{
	struct fake *fake = *state;
	int status = -1;
	pid_t pid;

	assert_int_equal(chmod(fake->path, 0), 0);
	pid = fork();
	if (pid == 0) {
		char *text;

		if (geteuid() == 0)
			child_check(setresuid(65534, 65534, 65534) == 0);
		child_check(hf_status_json(fake->hf, &text) == HF_FORBIDDEN);
		child_check(strstr(hf_error_remedy(fake->hf), "group holdfast") != NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_open(void **state)
{
	char path[CONN_PATH_MAX + 2];
	struct hf *hf = NULL;

	(void)state;
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(hf_open(path, &hf), HF_INVALID);
	assert_int_equal(hf_open("", &hf), HF_INVALID);
	assert_null(hf);
	path[CONN_PATH_MAX] = '\0';
	assert_int_equal(setenv("HOLDFAST_SOCKET", path, 1), 0);
	assert_int_equal(hf_open(NULL, &hf), 0);
	assert_string_equal(hf_socket(hf), path);
	hf_close(hf);
	assert_int_equal(unsetenv("HOLDFAST_SOCKET"), 0);
	assert_int_equal(hf_open(NULL, &hf), 0);
	assert_string_equal(hf_socket(hf), HF_SOCKET_DEFAULT);
	assert_string_equal(hf_protection(hf), "");
	assert_string_equal(hf_error_remedy(hf), "");
	hf_close(hf);
	hf_close(NULL);
	hf_free(NULL);
}

static int seal_once(struct hf *hf)
{
	void *blob;
	size_t len;
	int r = hf_seal(hf, "x", 1, &blob, &len);

	if (r == 0)
		hf_free(blob);
	return r;
}

/* Waits until the other end of a kept connection is gone. */
static void wait_for_close(const struct hf *hf)
{
	struct pollfd pollfd = {.fd = hf->conn.fd, .events = POLLIN};

	assert_true(hf->conn.fd >= 0);
	assert_int_equal(poll(&pollfd, 1, -1), 1);
}

static void test_closed_between_requests(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .then = CLOSE},
				     {.answer = JSON("201 x"), .body = "{}"}};

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	wait_for_close(fake->hf);
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), 0);
	served_all(fake);
}

static void test_lost_request_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED}, {.answer = NULL, .then = CLOSE}, {SEALED}};

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(seal_once(fake->hf), 0);
	assert_string_equal(hf_error_text(fake->hf), "");
	served_all(fake);
}

static void test_repeated_once_only(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{SEALED}, {.answer = NULL, .then = CLOSE}, {.answer = NULL, .then = CLOSE}};

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "broke off"));
	served_all(fake);
}

/* A key may have been made: the request must not be sent again. */
static void test_lost_creation_is_not_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED}, {.answer = NULL, .then = CLOSE}};

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), HF_INTERNAL);
	served_all(fake);
}

/* .. but a request that never was whole on the other side may. */
static void test_creation_cut_short_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED},
				     {.then = CLOSE, .head_only = true},
				     {.answer = JSON("201 x"), .body = "{}"}};
	CLEANUP(buf_fini) struct buf big = BUF_INIT(BIG);

	assert_non_null(buf_grow(&big, BIG));
	memset(big.data, 'b', BIG);
	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(hf_secret_put(fake->hf, "s", big.data, BIG, HF_SECRET_CREATE), 0);
	served_all(fake);
}

/* A refusal that comes while most of the request is still unsent is heard. */
static void test_early_answer(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = PROBLEM("413 x"),
		 .body = "{\"code\":\"too_large\",\"detail\":\"limit\"}",
		 .then = CLOSE,
		 .head_only = true},
		{SEALED},
	};
	CLEANUP(buf_fini) struct buf big = BUF_INIT(BIG);
	void *blob;
	size_t len;

	assert_non_null(buf_grow(&big, BIG));
	memset(big.data, 'b', BIG);
	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_seal(fake->hf, big.data, BIG, &blob, &len), HF_TOO_LARGE);
	assert_string_equal(hf_error_text(fake->hf), "limit");
	assert_int_equal(seal_once(fake->hf), 0);
	served_all(fake);
}

static void test_connection_close_is_obeyed(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS "Connection: close\r\n", .body = "blob", .then = LINGER},
		{.answer = OCTETS "Content-Length: 4\r\n\r\nblobsurplus", .then = LINGER},
		{SEALED},
	};
	size_t i;

	serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(seal_once(fake->hf), 0);
	served_all(fake);
}

/* The request of a forked child must come on a connection of its own. */
static void test_fork(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .then = CLOSE}, {SEALED}};
	int status = -1;
	pid_t pid;

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	pid = fork();
	if (pid == 0)
		_exit(seal_once(fake->hf) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	served_all(fake);
}

/* --- hostile answers --- */

static const struct step HOSTILE[] = {
	{.answer = "", .then = CLOSE},
	{.answer = "garbage\r\n", .then = LINGER},
	{.answer = OCTETS "Content-Length: 999\r\n\r\nblob", .then = CLOSE},
	{.answer = "HTTP/1.1 200 OK\r\nContent-Le", .then = CLOSE},
	{.answer = OCTETS "Content-Length: 5\r\n", .body = "blob", .then = LINGER},
	{.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nblob\r\n",
	 .then = CLOSE},
};

static void test_hostile(void **state)
{
	struct fake *fake = *state;
	size_t i;

	serve(fake, HOSTILE, ARRAY_LEN(HOSTILE));
	for (i = 0; i < ARRAY_LEN(HOSTILE); i++) {
		assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
		assert_int_equal(fake->hf->conn.fd, -1);
	}
	served_all(fake);
}

static void test_hostile_sizes(void **state)
{
	struct fake *fake = *state;
	CLEANUP(buf_fini) struct buf huge = BUF_INIT(REQUEST_MAX);
	struct step steps[] = {
		{.answer = OCTETS "Content-Length: 99999999999\r\n\r\n", .then = LINGER},
		{.answer = NULL, .then = LINGER},
	};

	buf_put_str(&huge, "HTTP/1.1 200 OK\r\n");
	while (huge.len <= HTTP_HEAD_MAX)
		buf_put_str(&huge, "X-Filler: 0123456789abcdef\r\n");
	buf_put_u8(&huge, '\0');
	steps[1].answer = (const char *)huge.data;
	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), HF_TOO_LARGE);
	assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
	served_all(fake);
}

/* --- time --- */

static const struct step SLOW[] = {
	{.answer = NULL, .then = LINGER},
	{.answer = OCTETS "Content-Length: 60000\r\n\r\n", .then = DRIP},
	{.answer = "HTTP/1.1 200 OK\r\nX: ", .then = DRIP},
};

static void test_deadline(void **state)
{
	struct fake *fake = *state;
	size_t i;

	serve(fake, SLOW, ARRAY_LEN(SLOW));
	hf_set_timeout_ms(fake->hf, 30);
	for (i = 0; i < ARRAY_LEN(SLOW); i++) {
		uint64_t before = clock_monotonic_us();

		assert_int_equal(seal_once(fake->hf), HF_TIMEOUT);
		assert_true(clock_monotonic_us() - before >= 30000u);
		assert_int_equal(fake->hf->conn.fd, -1);
	}
	served_all(fake);
}

#define STARTING(wait)                                                                             \
	.answer = PROBLEM("503 x") "Retry-After: " wait "\r\n",                                    \
	.body = "{\"code\":\"starting\",\"detail\":\"not yet\"}"

static void test_starting_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{STARTING("0")},
		{STARTING("0"), .then = CLOSE},
		{.answer = JSON("201 x"), .body = "{}"},
	};

	serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), 0);
	served_all(fake);
}

static void test_starting_until_the_deadline(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{STARTING("1")}};

	serve(fake, steps, ARRAY_LEN(steps));
	hf_set_timeout_ms(fake->hf, 500);
	assert_int_equal(seal_once(fake->hf), HF_STARTING);
	assert_string_equal(hf_error_text(fake->hf), "not yet");
	served_all(fake);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_seal_in_pieces),
		WITH_FAKE(test_secrets),
		WITH_FAKE(test_keys),
		WITH_FAKE(test_sign_random_status),
		WITH_FAKE(test_problems),
		WITH_FAKE(test_unexpected),
		WITH_FAKE(test_visit_ends_the_walk),
		WITH_FAKE(test_arguments),
		WITH_FAKE(test_no_service),
		WITH_FAKE(test_no_permission),
		cmocka_unit_test(test_open),
		WITH_FAKE(test_closed_between_requests),
		WITH_FAKE(test_lost_request_is_repeated),
		WITH_FAKE(test_repeated_once_only),
		WITH_FAKE(test_lost_creation_is_not_repeated),
		WITH_FAKE(test_creation_cut_short_is_repeated),
		WITH_FAKE(test_early_answer),
		WITH_FAKE(test_connection_close_is_obeyed),
		WITH_FAKE(test_fork),
		WITH_FAKE(test_hostile),
		WITH_FAKE(test_hostile_sizes),
		WITH_FAKE(test_deadline),
		WITH_FAKE(test_starting_is_repeated),
		WITH_FAKE(test_starting_until_the_deadline),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
