/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring itself: through the library, as any program would. A signal only sets a flag,
 * which is looked at between operations, so that no key is left behind.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "cmd/holdfast/speed.h"

#define KEY_PREFIX "doctor-speed-"
#define NAME_SIZE  (sizeof(KEY_PREFIX) + 16u)
#define NOTE_LEN   60
#define PLAIN_SIZE 32u /* as a key that something larger is encrypted with */

static volatile sig_atomic_t stop_signal;

static void on_signal(int signo)
{
	stop_signal = signo;
}

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};

struct measuring {
	struct hf *hf;
	struct speed *speed;
	struct err *err;
	struct sigaction before[ARRAY_LEN(SIGNALS)];
};

static int fail_hf(const struct measuring *m, const char *what)
{
	(void)err_set(m->err, hf_error_code(m->hf), "%s: %s", what, hf_error_text(m->hf));
	return m->err->code;
}

static int check_stop(const struct measuring *m)
{
	return stop_signal == 0 ? 0 : err_set(m->err, ERR_INTERNAL, "a signal ended it");
}

/* --- what is being done, for whoever looks on --- */

static void note(const char *what, const char *type)
{
	if (isatty(STDERR_FILENO) == 1)
		(void)fprintf(stderr, "\rmeasuring: %s %-*s", what, NOTE_LEN - (int)strlen(what),
			      type);
}

static void note_end(void)
{
	if (isatty(STDERR_FILENO) == 1)
		(void)fprintf(stderr, "\r%*s\r", NOTE_LEN + 12, "");
}

/* --- runs --- */

struct subject {
	const char *name; /* of a key */
	void *blob;	  /* of the library */
	size_t blob_len;
};

static void subject_fini(struct subject *subject)
{
	hf_free(subject->blob);
}

static const uint8_t PLAIN[PLAIN_SIZE];

static int run_sign(struct hf *hf, struct subject *subject)
{
	const struct hf_sign sign = {
		.key = subject->name, .digest = PLAIN, .digest_len = sizeof(PLAIN)};
	void *signature;
	size_t len;
	int r = hf_sign_digest(hf, &sign, &signature, &len);

	if (r == 0)
		hf_free(signature);
	return r;
}

/* The first blob is kept for unsealing. */
static int run_seal(struct hf *hf, struct subject *subject)
{
	void *blob;
	size_t len;
	int r = hf_seal(hf, PLAIN, sizeof(PLAIN), &blob, &len);

	if (r < 0)
		return r;
	if (subject->blob) {
		hf_free(blob);
		return 0;
	}
	subject->blob = blob;
	subject->blob_len = len;
	return 0;
}

static int run_unseal(struct hf *hf, struct subject *subject)
{
	void *data;
	size_t len;
	int r = hf_unseal(hf, subject->blob, subject->blob_len, &data, &len);

	if (r == 0)
		hf_free(data);
	return r;
}

static const struct run {
	const char *name;
	const char *command; /* that the chip does it with */
	int (*once)(struct hf *hf, struct subject *subject);
} SIGN = {"sign", "Sign", run_sign}, SEAL = {"seal", "Create", run_seal},
  UNSEAL = {"unseal", "Unseal", run_unseal};

static int time_runs(const struct measuring *m, const struct run *run, struct subject *subject,
		     struct speed_op *op)
{
	uint64_t times[SPEED_RUNS];
	size_t i;

	for (i = 0; i < SPEED_RUNS; i++) {
		uint64_t before = clock_monotonic_us();

		if (check_stop(m) < 0)
			return m->err->code;
		if (run->once(m->hf, subject) < 0)
			return fail_hf(m, run->name);
		times[i] = clock_monotonic_us() - before;
	}
	op->measured = true;
	op->worst_us = speed_longest(times, SPEED_RUNS);
	op->median_us = speed_median(times, SPEED_RUNS);
	return 0;
}

/* Counters of the service are for the tenant `host`; who is another goes without. */
static char *read_counters(struct hf *hf)
{
	char *text = NULL;

	return hf_metrics(hf, &text) == 0 ? text : NULL;
}

static int measure_op(const struct measuring *m, const struct run *run, const char *type,
		      struct subject *subject)
{
	struct speed_op *op = &m->speed->ops[m->speed->count];
	char *before, *after;
	int r;

	note(run->name, type);
	*op = (struct speed_op){.name = run->name, .type = type};
	before = read_counters(m->hf);
	r = time_runs(m, run, subject, op);
	after = r == 0 ? read_counters(m->hf) : NULL;
	op->chip_known = m->speed->on_chip && before && after &&
			 speed_chip_time(before, after, run->command, &op->chip_us);
	hf_free(before);
	hf_free(after);
	if (r == 0)
		m->speed->count++;
	return r;
}

/* --- keys --- */

static int make_name(const struct measuring *m, char name[NAME_SIZE])
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_set(m->err, ERR_INTERNAL, "the kernel gives no random bytes");
	(void)snprintf(name, NAME_SIZE, KEY_PREFIX "%016llx", (unsigned long long)id);
	return 0;
}

/* What is not there need not be deleted; a creation that was not answered may have happened. */
static int delete_key(const struct measuring *m, const char *name, int r)
{
	if (hf_key_delete(m->hf, name) < 0 && r == 0)
		r = fail_hf(m, name);
	return r;
}

static void add_missing(struct speed *speed, const char *type)
{
	speed->ops[speed->count++] = (struct speed_op){.name = SIGN.name, .type = type};
}

static int measure_type(const struct measuring *m, const char *type)
{
	struct subject subject = {0};
	char name[NAME_SIZE];
	int r;

	if (check_stop(m) < 0 || make_name(m, name) < 0)
		return m->err->code;
	note("making a key", type);
	r = hf_key_create(m->hf, name, type, 0, NULL);
	if (r == ERR_NOT_SUPPORTED) {
		add_missing(m->speed, type);
		return 0;
	}
	if (r < 0) {
		r = fail_hf(m, type);
	} else {
		subject.name = name;
		r = measure_op(m, &SIGN, type, &subject);
	}
	return delete_key(m, name, r);
}

static int measure_all(const struct measuring *m)
{
	static const char *const TYPES[SPEED_TYPES] = {"ecc-p256", "ecc-p384", "rsa-2048",
						       "rsa-3072"};
	CLEANUP(subject_fini) struct subject subject = {0};
	char *counters;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < SPEED_TYPES; i++)
		r = measure_type(m, TYPES[i]);
	if (r == 0)
		r = measure_op(m, &SEAL, "", &subject);
	if (r == 0)
		r = measure_op(m, &UNSEAL, "", &subject);
	if (r < 0 || !m->speed->on_chip)
		return r;
	counters = read_counters(m->hf);
	if (counters)
		speed_take_worst(m->speed, counters);
	hf_free(counters);
	return 0;
}

int speed_measure(struct hf *hf, bool on_chip, struct speed *ret_speed, struct err *err)
{
	struct speed speed = {.on_chip = on_chip};
	struct measuring m = {.hf = hf, .speed = &speed, .err = err};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(SIGNALS); i++) {
		(void)sigaction(SIGNALS[i], &action, &m.before[i]);
		/* What our caller had ignored stays so. */
		if (m.before[i].sa_handler == SIG_IGN)
			(void)sigaction(SIGNALS[i], &m.before[i], NULL);
	}
	r = measure_all(&m);
	note_end();
	for (i = 0; i < ARRAY_LEN(SIGNALS); i++)
		(void)sigaction(SIGNALS[i], &m.before[i], NULL);
	if (stop_signal != 0)
		(void)raise(stop_signal);
	if (r == 0)
		*ret_speed = speed;
	return r;
}
