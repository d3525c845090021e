/* SPDX-License-Identifier: Apache-2.0 */
/* Holds the machine against the configuration; the exit code tells whether something fails. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/findings.h"
#include "cmd/holdfast/tpm2.h"
#include "cmd/holdfast/verb.h"
#include "stack/check.h"

#define TEXT_MAX  (64u * 1024u)
#define STATUS_MS 3000u /* a service that does not answer is nothing to wait for */

/* NULL when the service does not answer. */
static json_t *ask_status(struct hf *hf)
{
	char *text = NULL;
	int r;

	hf_set_timeout_ms(hf, STATUS_MS);
	r = hf_status_json(hf, &text);
	return cli_take_object(r, text);
}

/* Of the socket that was named, else of the one that the configuration names. */
static json_t *ask_service(const struct cli *cli, const struct conf *conf)
{
	char path[PATH_MAX];
	struct hf *hf = NULL;
	json_t *status;

	if (cli->socket || getenv("HOLDFAST_SOCKET"))
		return ask_status(cli->hf);
	if (snprintf(path, sizeof(path), "%s/holdfast.sock", conf->run_dir) >= (int)sizeof(path) ||
	    hf_open(path, &hf) != HF_OK)
		return NULL;
	status = ask_status(hf);
	hf_close(hf);
	return status;
}

static int print(const struct cli *cli, const struct findings *findings)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	int r;

	findings_put(&out, findings);
	r = cli->json ? cli_print_object(cli, findings_json(findings)) : cli_print(cli, &out);
	return r == CLI_DONE && findings_fail(findings) ? CLI_FAILED : r;
}

static int check(const struct cli *cli, const struct tpm2 *tpm2)
{
	CLEANUP(json_cleanup) struct json_t *status = ask_service(cli, tpm2->conf);
	CLEANUP(stack_facts_cleanup) struct stack_facts *facts = NULL;
	struct findings findings;
	struct err err;

	facts = stack_look(tpm2->conf, &tpm2->tree, status);
	if (!facts)
		return cli_end(cli, err_set(&err, ERR_INTERNAL, "memory is short"), &err);
	stack_judge(tpm2->conf, facts, &findings);
	return print(cli, &findings);
}

int verb_tpm2_check(struct cli *cli, struct opt_words words)
{
	CLEANUP(tpm2_fini) struct tpm2 tpm2 = {0};
	const char *config = NULL;
	const struct opt opts[] = {TPM2_OPT_CONFIG(&config)};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r < 0)
		r = tpm2_open(cli, config, false, &tpm2);
	return r >= 0 ? r : check(cli, &tpm2);
}
