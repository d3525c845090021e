/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration says is written into a folder, or made to be so on this machine. */
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfast/tpm2.h"
#include "cmd/holdfast/verb.h"
#include "stack/apply.h"

#define TEXT_MAX    (64u * 1024u)
#define DEED_COLUMN 10

/* --- render --- */

static int print_paths(const struct cli *cli, const struct stack_tree *tree)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	json_t *paths = json_array();
	size_t i;

	for (i = 0; i < tree->count; i++) {
		const char *path = stack_path(tree->entries[i].part);

		buf_printf(&out, "%s\n", path);
		(void)json_array_append_new(paths, json_string(path));
	}
	if (cli->json)
		return cli_print_object(cli, json_pack("{s:o}", "files", paths));
	json_decref(paths);
	return cli_print(cli, &out);
}

int verb_tpm2_render(struct cli *cli, struct opt_words words)
{
	CLEANUP(tpm2_fini) struct tpm2 tpm2 = {0};
	const char *root = NULL;
	const char *config = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "root",
		 .value = "DIR",
		 .help = "where: a folder that is new or empty, or holds what was rendered before",
		 .required = true,
		 .text = &root},
		TPM2_OPT_CONFIG(&config),
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = tpm2_open(cli, config, true, &tpm2);
	if (r >= 0)
		return r;
	if (stack_write(&tpm2.tree, root, &err) < 0)
		return cli_fail(cli, &err);
	return print_paths(cli, &tpm2.tree);
}

/* --- apply --- */

static const struct deed_words {
	const char *word;
	const char *about; /* before the name of the backup, when there is one */
	const char *without;
} DEEDS[] = {
	[STACK_ABSENT] = {"absent", "", ""},
	[STACK_SAME] = {"same", "", ""},
	[STACK_WRITTEN] = {"written", "", ""},
	[STACK_REPLACED] = {"replaced", "the package's own is kept as ", ""},
	[STACK_FORCED] = {"forced", "what was there is kept as ", ""},
	[STACK_KEPT] = {"kept", "", "it is not ours, or was edited; --force takes it over"},
	[STACK_REMOVED] = {"removed", "put back is what was kept as ", ""},
	[STACK_FORGOTTEN] = {"forgotten", "it was edited and is yours now; before it there was ",
			     "it was edited and is yours now"},
};

struct apply_told {
	bool failed;
	json_t *lines;
	struct buf *out;
};

static void told_reload(void *arg, const char *line, bool well)
{
	struct apply_told *told = arg;

	told->failed = told->failed || !well;
	buf_printf(told->out, "%-*s", DEED_COLUMN, well ? "done" : "failed");
	cli_put_text(told->out, line);
	buf_put_u8(told->out, '\n');
	(void)json_array_append_new(told->lines, json_pack("{s:o, s:b}", "command",
							   cli_text_json(line), "well", (int)well));
}

static void put_backup(struct buf *out, enum stack_part part, const struct stack_step *step)
{
	const char *path = stack_backup_path(part);

	buf_printf(out, "%.*s/%s", (int)(strrchr(path, '/') - path), path, step->backup);
}

static void put_step(struct buf *out, enum stack_part part, const struct stack_step *step)
{
	const struct deed_words *words = &DEEDS[step->deed];
	bool kept = step->backup[0] != '\0';
	const char *about = kept ? words->about : words->without;

	buf_printf(out, "%-*s%s", DEED_COLUMN, words->word, stack_path(part));
	if (about[0] != '\0')
		buf_printf(out, ": %s", about);
	if (about[0] != '\0' && kept)
		put_backup(out, part, step);
	buf_put_u8(out, '\n');
}

static json_t *step_json(enum stack_part part, const struct stack_step *step)
{
	return json_pack("{s:s, s:s, s:s, s:s*}", "part", stack_word(part), "path",
			 stack_path(part), "deed", DEEDS[step->deed].word, "backup",
			 step->backup[0] != '\0' ? step->backup : NULL);
}

static json_t *steps_json(const struct stack_change *change)
{
	json_t *steps = json_array();
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++)
		(void)json_array_append_new(steps,
					    step_json((enum stack_part)part, &change->steps[part]));
	return steps;
}

static void put_steps(struct buf *out, const struct stack_change *change)
{
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++)
		if (change->steps[part].deed != STACK_ABSENT)
			put_step(out, (enum stack_part)part, &change->steps[part]);
}

/* Programs of this machine are told nothing of another root. */
static int finish(const struct cli *cli, const struct stack_change *change, bool reload)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	struct apply_told told = {.lines = json_array(), .out = &out};
	int r;

	put_steps(&out, change);
	if (reload)
		stack_reload(change, told_reload, &told);
	if (cli->json)
		r = cli_print_object(cli, json_pack("{s:b, s:b, s:o, s:o}", "changed",
						    (int)change->changed, "kept", (int)change->kept,
						    "parts", steps_json(change), "reload",
						    json_incref(told.lines)));
	else
		r = cli_print(cli, &out);
	json_decref(told.lines);
	return r == CLI_DONE && (change->kept || told.failed) ? CLI_FAILED : r;
}

struct apply_wish {
	const char *root;
	const char *config;
	bool force;
	bool dry;
	bool quiet;
};

static int apply(const struct cli *cli, const struct apply_wish *asked)
{
	CLEANUP(tpm2_fini) struct tpm2 tpm2 = {0};
	struct stack_wish wish = {
		.root = asked->root ? asked->root : "", .force = asked->force, .dry = asked->dry};
	struct stack_change change;
	struct err err;
	int r = tpm2_open(cli, asked->config, false, &tpm2);

	if (r >= 0)
		return r;
	wish.none = tpm2.none;
	if (tpm2_check_profile(&tpm2, wish.root, &err) < 0) {
		(void)err_wrap(&err, "%s", asked->config ? asked->config : TPM2_CONFIG);
		return tpm2_refuse(cli, &err);
	}
	if (stack_apply(&tpm2.tree, &wish, &change, &err) < 0)
		return cli_fail(cli, &err);
	return finish(cli, &change, !asked->root && !asked->dry && !asked->quiet);
}

int verb_tpm2_apply(struct cli *cli, struct opt_words words)
{
	struct apply_wish asked = {.root = NULL};
	const struct opt opts[] = {
		TPM2_OPT_CONFIG(&asked.config),
		{.kind = OPT_TEXT,
		 .name = "root",
		 .value = "DIR",
		 .help = "a folder with the tree of another machine, such as an image",
		 .text = &asked.root},
		{.kind = OPT_FLAG,
		 .name = "force",
		 .help = "replace files of others too, and keep backups of them",
		 .flag = &asked.force},
		{.kind = OPT_FLAG,
		 .name = "dry-run",
		 .help = "tell what would be done, and change nothing",
		 .flag = &asked.dry},
		{.kind = OPT_FLAG,
		 .name = "no-reload",
		 .help = "tell udev, systemd and the bus nothing",
		 .flag = &asked.quiet},
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	/* A variable that is not set: this machine is meant by no word at all. */
	if (asked.root && asked.root[0] == '\0') {
		(void)err_set(&err, ERR_INVALID, "--root is empty; leave it out for this machine");
		return cli_usage(cli, &err);
	}
	return apply(cli, &asked);
}
