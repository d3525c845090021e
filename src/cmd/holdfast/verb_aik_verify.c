/* SPDX-License-Identifier: Apache-2.0 */
/* A verifier's half of attestation: it asks no service and needs no TPM. */
#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/evidence.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define PEM_MAX	     16384u
#define NONCE_MAX    64u
#define KEY_NAME_MAX 66u
#define OUT_MAX	     8192u

struct verify_options {
	const char *public, *in, *event_log;
	const char *nonce, *name;
	bool any_nonce;
};

/* What the words of the command line expect, decoded. */
struct expected {
	struct evidence_expect expect;
	struct pkey *key;
	uint8_t nonce[NONCE_MAX], name[KEY_NAME_MAX];
	struct slice nonce_slice, name_slice;
};

static void expected_fini(struct expected *expected)
{
	pkey_free(expected->key);
}

static int decode(const char *text, const char *option, uint8_t *ret_bytes, size_t max,
		  struct slice *ret_slice, struct err *err)
{
	size_t len = strlen(text) / 2;

	if (len > max || strlen(text) % 2 || !hex_decode(slice_str(text), ret_bytes, len))
		return err_set(err, ERR_INVALID, "--%s: must be up to %zu bytes in lower-case hex",
			       option, max);
	*ret_slice = slice_of(ret_bytes, len);
	return 0;
}

static int read_expected(const struct verify_options *options, struct expected *expected,
			 struct err *err)
{
	int r = 0;

	if (!options->nonce == !options->any_nonce)
		return err_set(err, ERR_INVALID,
			       "exactly one of --nonce and --any-nonce is needed");
	if (options->nonce) {
		r = decode(options->nonce, "nonce", expected->nonce, NONCE_MAX,
			   &expected->nonce_slice, err);
		expected->expect.nonce = &expected->nonce_slice;
	}
	if (r == 0 && options->name) {
		r = decode(options->name, "name", expected->name, KEY_NAME_MAX,
			   &expected->name_slice, err);
		expected->expect.name = &expected->name_slice;
	}
	return r;
}

static int read_key(const struct verify_options *options, struct expected *expected,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	int r = io_read(options->public, &pem, err);

	if (r == 0)
		r = pkey_from_pem(buf_slice(&pem), &expected->key, err);
	if (r < 0)
		return err_wrap(err, "public key");
	expected->expect.key = expected->key;
	return 0;
}

static int read_evidence(const struct verify_options *options, struct evidence *evidence,
			 struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(EVIDENCE_MAX);
	int r = io_read(options->in, &json, err);

	if (r == 0)
		r = evidence_read(buf_slice(&json), evidence, err);
	if (r < 0 || !options->event_log)
		return r;
	buf_reset(&evidence->event_log);
	return io_read(options->event_log, &evidence->event_log, err);
}

/* --- telling --- */

static json_t *hex_json(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2u * HASH_MAX_SIZE + 8u);

	hex_encode(&text, bytes);
	return buf_ok(&text) ? json_stringn((const char *)text.data, text.len) : NULL;
}

static json_t *pcrs_json(const struct attest_pcrs *pcrs)
{
	json_t *banks = json_object();
	size_t i;
	unsigned n;

	for (i = 0; i < pcrs->count; i++) {
		json_t *list = json_array();

		for (n = 0; n < ATTEST_PCR_COUNT; n++)
			if (pcrs->banks[i].mask & UINT32_C(1) << n)
				json_array_append_new(list, json_integer(n));
		json_object_set_new(banks, hash_name(pcrs->banks[i].hash), list);
	}
	return banks;
}

static json_t *verdict_json(const struct evidence_verdict *verdict)
{
	const struct attest_statement *said = &verdict->statement;
	bool quote = said->kind == ATTEST_QUOTE;
	json_t *json =
		json_pack("{s:b, s:s, s:s, s:o, s:I, s:I, s:I, s:b}", "good", 1, "kind",
			  quote ? "quote" : "certify", "hash", hash_name(verdict->hash), "nonce",
			  hex_json(said->nonce), "clock_ms", (json_int_t)said->clock, "reset_count",
			  (json_int_t)said->reset_count, "restart_count",
			  (json_int_t)said->restart_count, "clock_safe", said->safe);

	if (json && quote) {
		json_object_set_new(json, "pcrs", pcrs_json(&said->pcrs));
		json_object_set_new(json, "event_log", json_boolean(verdict->event_log));
	} else if (json) {
		json_object_set_new(json, "name", hex_json(said->name));
		json_object_set_new(json, "public", json_boolean(verdict->public));
	}
	return json;
}

static void put_pcrs(struct buf *out, const struct evidence *evidence,
		     const struct evidence_verdict *verdict)
{
	const struct attest_pcrs *quoted = &verdict->statement.pcrs;
	const uint8_t(*value)[HASH_MAX_SIZE];
	uint32_t unused;
	size_t i;
	unsigned n;

	for (i = 0; i < quoted->count; i++) {
		value = attest_bank(&evidence->values, quoted->banks[i].hash, &unused);
		for (n = 0; n < ATTEST_PCR_COUNT; n++) {
			if (!(quoted->banks[i].mask & UINT32_C(1) << n))
				continue;
			buf_printf(out, "%s:%u", hash_name(quoted->banks[i].hash), n);
			if (value) {
				buf_put_u8(out, ' ');
				hex_encode(out,
					   slice_of(value[n], hash_size(quoted->banks[i].hash)));
			}
			buf_put_u8(out, '\n');
		}
	}
}

static void put_verdict(struct buf *out, const struct evidence *evidence,
			const struct evidence_verdict *verdict)
{
	const struct attest_statement *said = &verdict->statement;

	buf_printf(out, "good %s, signed by %s\nnonce ",
		   said->kind == ATTEST_QUOTE ? "quote" : "certification",
		   hash_name(verdict->hash));
	hex_encode(out, said->nonce);
	buf_printf(out, "\nTPM powered for %llu s; reset mark %u, restart mark %u%s\n",
		   (unsigned long long)said->clock / 1000, (unsigned)said->reset_count,
		   (unsigned)said->restart_count, said->safe ? "" : "; its clock is not safe");
	if (said->kind == ATTEST_QUOTE) {
		put_pcrs(out, evidence, verdict);
		if (verdict->event_log)
			buf_put_str(out, "the event log explains them\n");
		return;
	}
	buf_put_str(out, "certified Name ");
	hex_encode(out, said->name);
	buf_put_str(out, verdict->public ? ", which is that of the public area\n" : "\n");
}

static int tell(const struct cli *cli, const struct evidence *evidence,
		const struct evidence_verdict *verdict)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(OUT_MAX);

	if (cli->json)
		return cli_print_object(cli, verdict_json(verdict));
	put_verdict(&out, evidence, verdict);
	return cli_print(cli, &out);
}

static int verify(const struct cli *cli, const struct verify_options *options,
		  struct expected *expected)
{
	CLEANUP(evidence_fini) struct evidence evidence = EVIDENCE_INIT;
	struct evidence_verdict verdict = {0};
	struct err err;
	int r = read_key(options, expected, &err);

	if (r == 0)
		r = read_evidence(options, &evidence, &err);
	if (r == 0)
		r = evidence_judge(&evidence, &expected->expect, &verdict, &err);
	return r < 0 ? cli_fail(cli, &err) : tell(cli, &evidence, &verdict);
}

int verb_aik_verify(struct cli *cli, struct opt_words words)
{
	CLEANUP(expected_fini) struct expected expected = {0};
	struct verify_options options = {0};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "public",
		 .value = "FILE",
		 .help = "PEM of the attestation key that is trusted",
		 .required = true,
		 .text = &options.public},
		{.kind = OPT_TEXT,
		 .name = "nonce",
		 .value = "HEX",
		 .help = "what was asked with; anything else is an old answer",
		 .text = &options.nonce},
		{.kind = OPT_FLAG,
		 .name = "any-nonce",
		 .help = "take an answer to whatever question, however old",
		 .flag = &options.any_nonce},
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "HEX",
		 .help = "a certification of the key with this Name; default: a quote",
		 .text = &options.name},
		{.kind = OPT_TEXT,
		 .name = "eventlog",
		 .value = "FILE",
		 .help = "hold this event log against the quoted PCRs",
		 .text = &options.event_log},
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "answer to quote or certify, as JSON; default: standard input",
		 .text = &options.in},
	};
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (read_expected(&options, &expected, &err) < 0)
		return cli_usage(cli, &err);
	return verify(cli, &options, &expected);
}
