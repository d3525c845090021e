/* SPDX-License-Identifier: Apache-2.0 */
/* What the TPM and the firmware say of themselves: endorsement key, PCRs, event log. */
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/public.h"
#include "cmd/holdfast/verb.h"

#define PCRS_MAX  (64u * 1024u)
#define TYPES	  "ecc-p256|ecc-p384|rsa-2048|rsa-3072"
#define PCR_COUNT 24u

/* --- the endorsement key --- */

static int print_certificate(const struct cli *cli, const char *type, const char *path)
{
	char *pem;

	if (hf_ek_certificate(cli->hf, type, &pem) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken_text(cli, path, "certificate", pem);
}

int verb_ek(struct cli *cli, struct opt_words words)
{
	const char *type = NULL, *format = NULL, *path = NULL;
	bool certificate = false;
	const struct opt opts[] = {
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = TYPES,
		 .help = "default: that of which the TPM has a certificate",
		 .text = &type},
		{.kind = OPT_FLAG,
		 .name = "certificate",
		 .help = "print its maker's certificate instead, and those of its chain behind it",
		 .flag = &certificate},
		PUBLIC_OPT_FORMAT(&format),
		PUBLIC_OPT_OUT(&path),
	};
	struct err err;
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (certificate && format) {
		(void)err_set(&err, ERR_INVALID, "--format does not go with --certificate");
		return cli_usage(cli, &err);
	}
	if (certificate)
		return print_certificate(cli, type, path);
	if (hf_ek_json(cli->hf, type, &json) < 0)
		return cli_fail_hf(cli);
	return public_print(cli, json, &PUBLIC_MEMBERS, format, path);
}

/* --- PCRs --- */

/* In the order of their numbers, whatever the order of the members. */
static void put_bank(struct buf *out, const char *name, const json_t *values)
{
	unsigned pcr;

	cli_put_text(out, name);
	buf_put_str(out, "\n");
	for (pcr = 0; pcr < PCR_COUNT; pcr++) {
		char number[8];
		const char *text;

		(void)snprintf(number, sizeof(number), "%u", pcr);
		text = json_string_value(json_object_get(values, number));
		if (!text)
			continue;
		buf_printf(out, "  %2u  ", pcr);
		cli_put_text(out, text);
		buf_put_u8(out, '\n');
	}
}

static int print_bank(const struct cli *cli, const struct json_t *object, const char *bank)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(PCRS_MAX);
	const json_t *banks = json_object_get(object, "banks");
	json_t *values = json_object_get(banks, bank);
	struct err err;

	if (!json_is_object(values)) {
		(void)err_set(&err, ERR_NOT_FOUND, "the TPM has no bank %s", bank);
		(void)err_add_remedy(&err, "See which banks there are: holdfast pcr.");
		return cli_fail(cli, &err);
	}
	if (cli->json)
		return cli_print_object(cli, json_pack("{s:{s:O}, s:s}", "banks", bank, values,
						       "protection", hf_protection(cli->hf)));
	put_bank(&out, bank, values);
	return cli_print(cli, &out);
}

static int print_banks(const struct cli *cli, const char *json, const struct json_t *object)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(PCRS_MAX);
	json_t *banks = json_object_get(object, "banks");
	const char *name;
	json_t *values;

	if (cli->json)
		return cli_print_json(cli, json);
	json_object_foreach(banks, name, values) put_bank(&out, name, values);
	return cli_print(cli, &out);
}

int verb_pcr(struct cli *cli, struct opt_words words)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *bank = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "bank",
		 .value = "HASH",
		 .help = "this bank alone: sha256, sha1, ..; default: all",
		 .text = &bank,
		 .is_name = true},
	};
	struct err err;
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_pcrs_json(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	if (json_parse(slice_str(json), &object, &err) < 0)
		r = cli_fail(cli, &err);
	else
		r = bank ? print_bank(cli, object, bank) : print_banks(cli, json, object);
	hf_free(json);
	return r;
}

/* --- the event log --- */

int verb_eventlog(struct cli *cli, struct opt_words words)
{
	const char *path = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the log goes, as the firmware wrote it; default: standard output",
		 .text = &path},
	};
	void *log;
	size_t len;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_eventlog(cli->hf, &log, &len) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken(cli, path, "event_log", log, len);
}
