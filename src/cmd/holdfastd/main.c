/* SPDX-License-Identifier: Apache-2.0 */
/* holdfastd: options and configuration; everything else is daemon.c. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/holdfastd/confined.h"
#include "cmd/holdfastd/daemon.h"
#include "cmd/holdfastd/device.h"
#include "host/limits.h"

#define DEFAULT_CONFIG "/etc/holdfast/holdfast.conf"
#define EXIT_USAGE     2

static const char USAGE[] =
	"usage: holdfastd [--config FILE] [--check]\n"
	"       holdfastd --version | --help\n"
	"\n"
	"  --config FILE  read FILE instead of " DEFAULT_CONFIG "\n"
	"  --check        check the configuration, and exit\n"
	"\n"
	"SECURITY_PROVIDER=auto|tpm|legacy in the environment overrides the configuration.\n"
	"Exit status: 0 after an orderly stop; 1 when it cannot run, or a request was cut off;\n"
	"2 for wrong options or a wrong configuration.\n";

struct options {
	const char *config; /* NULL = the default, which may be absent */
	bool check;
	bool absent; /* found when it is read */
};

/* Below 0: go on. Else the exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option LONG[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'k':
			options->check = true;
			break;
		case 'v':
			(void)printf("holdfastd %s\n", HOLDFAST_VERSION);
			return 0;
		case 'h':
			(void)fputs(USAGE, stdout);
			return 0;
		default:
			(void)fputs(USAGE, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	(void)fprintf(stderr, "holdfastd: '%s' is not expected\n%s", argv[optind], USAGE);
	return EXIT_USAGE;
}

static int read_config(struct options *options, struct conf **ret_conf, struct err *err)
{
	int r;

	if (options->config)
		return conf_load(options->config, ret_conf, err);
	r = conf_load(DEFAULT_CONFIG, ret_conf, err);
	options->absent = r == ERR_NOT_FOUND;
	return options->absent ? conf_default(ret_conf, err) : r;
}

/* The environment, else the configuration. */
static int read_wish(const struct conf *conf, struct daemon *daemon, struct err *err)
{
	static const enum select_wish OF_WORD[] = {
		[CONF_PROVIDER_AUTO] = SELECT_AUTO,
		[CONF_PROVIDER_TPM] = SELECT_TPM,
		[CONF_PROVIDER_LEGACY] = SELECT_LEGACY,
	};
	const char *word = getenv("SECURITY_PROVIDER");
	enum conf_provider provider = conf->provider;
	int r;

	if (word) {
		r = conf_provider_of_word(word, &provider, err);
		if (r < 0)
			return err_wrap(err, "SECURITY_PROVIDER");
	}
	daemon->wish = OF_WORD[provider];
	daemon->wish_from_env = word != NULL;
	return 0;
}

static const char LONGEST[] = "/fapi/tpm.sock.ctrl"; /* of the sockets that are always there */

/* Below a tenant's folder, which is where one on the host finds it. */
static size_t longest_of(const struct conf_tenant *tenant)
{
	return strlen("/" SERVER_TENANTS "/") + strlen(tenant->name) + strlen("/" SERVER_SOCKET);
}

/* Known only when it is bound, but wrong in every place. */
static bool run_dir_fits(const struct conf *conf)
{
	size_t longest = strlen(LONGEST);
	size_t i;

	for (i = 0; i < conf->tenant_count; i++)
		if (longest_of(&conf->tenants[i]) > longest)
			longest = longest_of(&conf->tenants[i]);
	return strlen(conf->run_dir) + longest < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static int print_check(const struct conf *conf, const struct options *options)
{
	if (!run_dir_fits(conf)) {
		(void)fprintf(stderr, "holdfastd: paths { run }: %s is too long for the sockets\n",
			      conf->run_dir);
		return EXIT_USAGE;
	}
	(void)printf("%s: %s\n", options->config ? options->config : DEFAULT_CONFIG,
		     options->absent ? "absent; defaults apply" : "ok");
	return 0;
}

/* What a daemon needs of options, file and environment. */
static int set_up(struct options *options, struct conf **conf, struct daemon *daemon)
{
	struct err err;

	*daemon = (struct daemon){.version = HOLDFAST_VERSION};
	if (read_config(options, conf, &err) < 0 || read_wish(*conf, daemon, &err) < 0 ||
	    device_check(*conf, &err) < 0) {
		(void)fprintf(stderr, "holdfastd: %s\n", err.text);
		return EXIT_USAGE;
	}
	daemon->conf = *conf;
	daemon->conf_optional = !options->config;
	daemon->conf_path = options->config ? options->config : DEFAULT_CONFIG;
	return 0;
}

/* All but what the one before has left to be told, and the starter, which stays. */
static int set_up_again(struct options *options, struct conf **conf, struct daemon *daemon)
{
	const struct starter *starter = daemon->starter;
	char erased[sizeof(daemon->erased)];
	int r;

	memcpy(erased, daemon->erased, sizeof(erased));
	conf_free(TAKE(*conf));
	r = set_up(options, conf, daemon);
	memcpy(daemon->erased, erased, sizeof(erased));
	daemon->starter = starter;
	return r;
}

static int fail(const struct err *err)
{
	log_err(LOG_LEVEL_ERROR, err, "cannot start");
	return 1;
}

static int run_again(struct options *options, struct conf **conf, struct daemon *daemon,
		     const struct cage *cage)
{
	struct err err;
	int status = set_up_again(options, conf, daemon);

	if (status != 0)
		return status;
	/* A TPM would not be taken for want of FAPI, and software in its place without a word. */
	if (starter_check(daemon->starter, &err) < 0 || confined_again(daemon, cage, &err) < 0)
		return fail(&err);
	return daemon_run(daemon);
}

static int run(struct options *options, struct conf **conf, struct daemon *daemon)
{
	CLEANUP(starter_cleanup) struct starter *starter = NULL;
	CLEANUP(cage_fini) struct cage cage = {.count = 0};
	struct err err;
	int status;

	if (limits_apply(&err) < 0)
		return fail(&err);
	if (confined_plan(daemon, &cage, &err) < 0 ||
	    confined_begin(daemon, &cage, &starter, &err) < 0)
		return fail(&err);
	daemon->starter = starter;
	status = daemon_run(daemon);
	while (status == 0 && daemon->again)
		status = run_again(options, conf, daemon, &cage);
	return status;
}

/* Else a socket that is made later has the number of standard error, and is sent the log. */
static void fill_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options = {.config = NULL};
	CLEANUP(conf_cleanup) struct conf *conf = NULL;
	struct daemon daemon;
	int r;

	fill_standard_files();
	/* The raw lines of libtss2 would mix with ours, which carry its codes. No thread runs yet.
	 */
	(void)setenv("TSS2_LOG", "all+NONE", 0);
	log_init("holdfastd");
	json_setup();
	r = read_options(argc, argv, &options);
	if (r >= 0)
		return r;
	r = set_up(&options, &conf, &daemon);
	if (r != 0)
		return r;
	if (options.check)
		return print_check(conf, &options);
	return run(&options, &conf, &daemon);
}
