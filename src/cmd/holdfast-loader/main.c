/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-loader: the service, and a client of it by the same configuration. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/holdfast-loader/confined.h"
#include "cmd/holdfast-loader/serve.h"
#include "cmd/holdfast-loader/verbs.h"
#include "cmd/holdfast/io.h"
#include "host/limits.h"

#define DEFAULT_CONFIG "/etc/holdfast/holdfast-loader.conf"
#define HELP_MAX       8192u
#define EXIT_USAGE     2

struct options {
	const char *config;
	bool dev;
	bool check;
	bool version;
};

static struct opt_table options_table(struct options *options, struct opt opts[4])
{
	opts[0] = (struct opt){.kind = OPT_TEXT,
			       .name = "config",
			       .value = "FILE",
			       .help = "read FILE instead of " DEFAULT_CONFIG,
			       .text = &options->config};
	opts[1] = (struct opt){.kind = OPT_FLAG,
			       .name = "dev",
			       .help = "allow plain http to this machine, as dev = true does",
			       .flag = &options->dev};
	opts[2] = (struct opt){.kind = OPT_FLAG,
			       .name = "check",
			       .help = "check the configuration and its files, and exit",
			       .flag = &options->check};
	opts[3] = (struct opt){.kind = OPT_FLAG,
			       .name = "version",
			       .help = "print the release of this program",
			       .flag = &options->version};
	return (struct opt_table){.opts = opts, .count = 4};
}

static int print_help(const struct opt_table *table)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(HELP_MAX);

	buf_put_str(&out, "usage: holdfast-loader");
	opt_usage(&out, table, out.len);
	buf_put_str(&out, " [VERB ..]\n\nServes, or with a verb asks the one that serves:\n");
	verbs_help(&out);
	buf_put_str(&out, "\n");
	opt_help(&out, table);
	buf_put_str(&out, "\nSee 'holdfast-loader VERB --help'.\n");
	return fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 1;
}

static int usage(const struct err *err)
{
	(void)fprintf(stderr, "holdfast-loader: %s\n", err->text);
	return EXIT_USAGE;
}

static int run_service(const struct conf_loader *conf, const struct options *options)
{
	struct setup setup = SETUP_INIT;
	struct err err;
	int status;

	if (setup_read(&setup, conf, options->dev, &err) < 0) {
		status = usage(&err);
	} else if (options->check) {
		status = printf("%s: ok\n", options->config) > 0 ? 0 : 1;
	} else if (confined_begin(&setup, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err, "cannot start");
		status = 1;
	} else {
		status = serve(&setup);
	}
	setup_fini(&setup);
	return status;
}

static int run(const struct options *options, struct opt_words words)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = NULL;
	struct err err;

	if (conf_loader_read(options->config, &conf, &err) < 0)
		return usage(&err);
	return words.count > 0 ? verbs_run(conf, words) : run_service(conf, options);
}

int main(int argc, char **argv)
{
	struct options options = {.config = NULL};
	struct opt opts[4];
	struct opt_table table = options_table(&options, opts);
	struct opt_words words = {.count = argc - 1, .words = (const char *const *)argv + 1};
	bool help = false;
	struct err err;

	if (!io_hold_standard())
		return 1;
	log_init("holdfast-loader");
	json_setup();
	if (limits_apply(&err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err, "cannot start");
		return 1;
	}
	if (opt_parse_leading(&table, words, &words, &help, &err) < 0)
		return usage(&err);
	if (help)
		return print_help(&table);
	if (options.version)
		return printf("holdfast-loader %s\n", HOLDFAST_VERSION) > 0 ? 0 : 1;
	if (!options.config)
		options.config = DEFAULT_CONFIG;
	return run(&options, words);
}
