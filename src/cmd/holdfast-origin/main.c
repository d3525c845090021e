/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-origin: options, the loop, the socket, the end; all else is src/origin. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/holdfast-origin/ek_file.h"
#include "cmd/holdfast-origin/user_file.h"
#include "conf/loader.h"
#include "host/cage.h"
#include "host/limits.h"
#include "host/notify.h"
#include "listen/listen.h"
#include "origin/origin.h"
#include "wrap/public.h"

#define EXIT_USAGE    2
#define CONNECTIONS   256u
#define UPLOAD_MAX    ((uint64_t)1 << 40)
#define DRAIN_US      10000000u
#define DRAIN_LOOK_US 20000u
#define GRACE_US      5000000u

static const char USAGE[] =
	"usage: holdfast-origin --root DIR --users FILE --salts FILE [--listen ADDRESS]\n"
	"                       [--formula v1-hw|v1-nohw] [--upload-max BYTES]\n"
	"                       [--ek-anchors PEM] [--eks FILE]\n"
	"       holdfast-origin --version | --help\n"
	"\n"
	"  --root DIR          what is served: DIR/FOLDER/NAME.small and .big, DIR/key-fragment,\n"
	"                      DIR/cdn.yaml; of version 2 DIR/FOLDER/NAME.manifest, .payload,\n"
	"                      .keys, DIR/devices\n"
	"  --users FILE        a line email:password for each user; mode 0600\n"
	"  --salts FILE        prefix, hw, api and resource; mode 0600\n"
	"  --listen ADDRESS    HOST:PORT or unix:/PATH; default: 127.0.0.1:0, any free port\n"
	"  --formula WORD      how users' keys are made; default: v1-hw\n"
	"  --upload-max BYTES  of one big part; default: 1 TiB\n"
	"  --ek-anchors PEM    certificates of makers of TPMs: devices with such a TPM enrol\n"
	"                      by themselves\n"
	"  --eks FILE          the same for endorsement keys by Name, 68 hex digits a line\n"
	"\n"
	"For tests and small sites. It speaks plain HTTP: put a server with TLS in front of it.\n"
	"Exit status: 0 after an orderly stop, 1 when it cannot run, 2 for wrong usage.\n";

struct options {
	const char *root;
	const char *users;
	const char *salts;
	const char *listen;
	const char *formula;
	const char *upload_max;
	const char *ek_anchors;
	const char *eks;
};

struct program {
	struct options options;
	struct user_file users;
	struct conf_salts *salts;
	struct buf ek_anchors, ek_names;
	struct origin_config config;
	struct listen_address address;
	struct loop *loop;
	struct jobs *jobs;
	struct origin *origin;
	struct listen *listen; /* NULL once it stops */
	struct loop_timer drain;
	uint64_t drain_until_us;
};

/* --- options --- */

static int wrong_usage(const char *what, const char *detail)
{
	(void)fprintf(stderr, "holdfast-origin: %s%s\n%s", what, detail, USAGE);
	return EXIT_USAGE;
}

/* Below 0: go on. Else the exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	const struct {
		const char *name;
		const char **value;
	} ROWS[] = {
		{"root", &options->root},
		{"users", &options->users},
		{"salts", &options->salts},
		{"listen", &options->listen},
		{"formula", &options->formula},
		{"upload-max", &options->upload_max},
		{"ek-anchors", &options->ek_anchors},
		{"eks", &options->eks},
	};
	struct option longs[ARRAY_LEN(ROWS) + 3] = {{NULL, 0, NULL, 0}};
	int at = 0, option;

	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
		longs[i] = (struct option){ROWS[i].name, required_argument, NULL, 'o'};
	longs[ARRAY_LEN(ROWS)] = (struct option){"version", no_argument, NULL, 'v'};
	longs[ARRAY_LEN(ROWS) + 1] = (struct option){"help", no_argument, NULL, 'h'};
	while ((option = getopt_long(argc, argv, "", longs, &at)) != -1) {
		switch (option) {
		case 'o':
			*ROWS[at].value = optarg;
			break;
		case 'v':
			(void)printf("holdfast-origin %s\n", HOLDFAST_VERSION);
			return 0;
		case 'h':
			(void)fputs(USAGE, stdout);
			return 0;
		default:
			(void)fputs(USAGE, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return wrong_usage("not expected: ", argv[optind]);
	if (!options->root || !options->users || !options->salts)
		return wrong_usage("--root, --users and --salts are needed", "");
	return -1;
}

static int read_upload_max(const char *text, uint64_t *ret_max, struct err *err)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return err_set(err, ERR_INVALID, "--upload-max is no number");
	*ret_max = strtoull(text, &end, 10);
	if (*end != '\0' || *ret_max == 0 || *ret_max > UPLOAD_MAX)
		return err_set(err, ERR_INVALID, "--upload-max is 1 to %llu",
			       (unsigned long long)UPLOAD_MAX);
	return 0;
}

static int apply_options(struct program *program, struct err *err)
{
	const struct options *options = &program->options;
	struct origin_config *config = &program->config;
	int r = listen_parse(options->listen ? options->listen : "127.0.0.1:0", &program->address,
			     err);

	config->formula = V1_HW;
	config->upload_max = UPLOAD_MAX;
	config->connections = CONNECTIONS;
	if (r < 0)
		return err_wrap(err, "--listen");
	if (options->formula)
		r = v1_formula_of_name(options->formula, &config->formula, err);
	if (r == 0 && options->upload_max)
		r = read_upload_max(options->upload_max, &config->upload_max, err);
	return r;
}

/* --- what it is given --- */

static void note(void *arg, const char *text)
{
	(void)arg;
	log_info("%s", text);
}

static int need_salt(const struct secret *salt, const char *name, struct err *err)
{
	if (salt && secret_size(salt) > 0)
		return 0;
	return err_set(err, ERR_INVALID, "the salt \"%s\" is missing", name);
}

static struct slice salt_of(const struct secret *salt)
{
	return salt ? secret_slice(salt) : slice_of(NULL, 0);
}

static int read_eks(struct program *program, struct err *err)
{
	const struct options *options = &program->options;

	if (options->ek_anchors &&
	    ek_anchors_read(options->ek_anchors, &program->ek_anchors, err) < 0)
		return err_wrap(err, "--ek-anchors");
	if (options->eks && ek_file_read(options->eks, &program->ek_names, err) < 0)
		return err_wrap(err, "--eks");
	program->config.ek_anchors = buf_slice(&program->ek_anchors);
	program->config.ek_names = buf_slice(&program->ek_names);
	return 0;
}

static int read_files(struct program *program, struct err *err)
{
	struct origin_config *config = &program->config;
	int r = user_file_read(program->options.users, &program->users, err);

	if (r < 0)
		return err_wrap(err, "--users");
	r = conf_salts_read(program->options.salts, &program->salts, err);
	if (r == 0)
		r = need_salt(program->salts->api, "api", err);
	if (r < 0)
		return err_wrap(err, "--salts");
	r = read_eks(program, err);
	if (r < 0)
		return r;
	config->users = program->users.users;
	config->user_count = program->users.count;
	config->salts = (struct v1_salts){
		.prefix = salt_of(program->salts->prefix),
		.hw = salt_of(program->salts->hw),
		.api = salt_of(program->salts->api),
		.resource = salt_of(program->salts->resource),
	};
	config->note = note;
	r = file_open_dir(AT_FDCWD, program->options.root, false, 0, &config->dir, err);
	return r < 0 ? err_wrap(err, "--root") : 0;
}

/* --- what it keeps of the machine --- */

/* All other files are read. It asks nobody. */
static int confine(const struct options *options, struct err *err)
{
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_ORIGIN, .tcp_listen = true};
	struct cage_report report;
	char text[CAGE_TEXT_MAX];
	int r;

	cage_add(&cage, options->root, CONFINE_WRITE);
	if (options->listen && strncmp(options->listen, "unix:", 5) == 0)
		cage_add_folder_of(&cage, options->listen + 5, CONFINE_SOCKETS);
	cage_add_system(&cage);
	r = cage_close(&cage, &report, err);
	if (r < 0)
		return r;
	log_at(cage_print(&report, text), "%s", text);
	return 0;
}

/* --- connections --- */

static void connection_closed(void *arg)
{
	struct program *program = arg;

	if (program->listen)
		listen_closed(program->listen);
}

static void take(void *arg, int fd, const struct listen_address *peer)
{
	struct program *program = arg;

	(void)peer;
	origin_take(program->origin, fd, connection_closed, program);
}

/* --- life --- */

static void tell_manager(const char *state)
{
	struct err err;

	if (notify_send(state, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "service manager");
}

static void drained(void *arg)
{
	struct program *program = arg;
	struct err err;

	if (!origin_drain(program->origin) && clock_monotonic_us() < program->drain_until_us &&
	    loop_timer_set(&program->drain, DRAIN_LOOK_US, &err) == 0)
		return;
	loop_stop(program->loop);
}

static void stop(void *arg, uint32_t signo)
{
	struct program *program = arg;

	(void)signo;
	if (!program->listen)
		return;
	log_notice("stopping");
	tell_manager("STOPPING=1");
	listen_free(TAKE(program->listen));
	program->drain_until_us = clock_monotonic_us() + DRAIN_US;
	drained(program);
}

/* Blocked before threads start, so that they inherit it and only the loop sees them. */
static int watch_signals(struct program *program, struct err *err)
{
	static const int SIGNALS[] = {SIGTERM, SIGINT};
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++)
		sigaddset(&set, SIGNALS[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set(err, ERR_INTERNAL, "cannot block signals");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(SIGNALS); i++)
		r = loop_signal(program->loop, SIGNALS[i], stop, program, err);
	return r;
}

static int build(struct program *program, struct err *err)
{
	static const struct listen_ops OPS = {.take = take};
	char text[LISTEN_TEXT_MAX];
	int r = loop_new(&program->loop, err);

	if (r < 0)
		return r;
	loop_timer_init(&program->drain, program->loop, drained, program);
	r = watch_signals(program, err);
	if (r == 0)
		r = jobs_new(program->loop, &program->jobs, err);
	if (r == 0)
		r = origin_new(program->jobs, &program->config, &program->origin, err);
	if (r == 0)
		r = listen_new(program->loop, &program->address, CONNECTIONS, &OPS, program,
			       &program->listen, err);
	if (r < 0)
		return r;
	if (!listen_is_loopback(listen_bound(program->listen)))
		log_warning("this is plain HTTP, and not only for this machine");
	listen_print(listen_bound(program->listen), text);
	log_notice("listening on %s", text);
	tell_manager("READY=1");
	return 0;
}

static int run(struct program *program)
{
	struct err err;
	int r = build(program, &err);

	if (r == 0)
		r = loop_run(program->loop, &err);
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, &err, "cannot run");
	if (!jobs_free(program->jobs, GRACE_US)) {
		log_warning("the disk does not answer; leaving without it");
		_exit(1);
	}
	origin_free(program->origin);
	listen_free(program->listen);
	loop_free(program->loop);
	return r < 0 ? 1 : 0;
}

static void program_fini(struct program *program)
{
	conf_salts_free(program->salts);
	user_file_fini(&program->users);
	buf_fini(&program->ek_anchors);
	buf_fini(&program->ek_names);
	fd_close_cleanup(&program->config.dir);
}

int main(int argc, char **argv)
{
	CLEANUP(program_fini)
	struct program program = {
		.config = {.dir = -1},
		.ek_anchors = BUF_INIT(EK_ANCHORS_DER),
		.ek_names = BUF_INIT(EK_FILE_NAMES * WRAP_NAME_SIZE),
	};
	struct err err;
	int r;

	log_init("holdfast-origin");
	json_setup();
	r = read_options(argc, argv, &program.options);
	if (r >= 0)
		return r;
	if (limits_apply(&err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err, "cannot start");
		return 1;
	}
	if (apply_options(&program, &err) < 0 || read_files(&program, &err) < 0) {
		(void)fprintf(stderr, "holdfast-origin: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (confine(&program.options, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err, "cannot start");
		return 1;
	}
	return run(&program);
}
