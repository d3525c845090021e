/* SPDX-License-Identifier: Apache-2.0 */
/* The device's identity, for everybody. */
#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/device.h"
#include "cmd/holdfast/errand.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/public.h"
#include "cmd/holdfast/verb.h"

int device_print(const struct cli *cli, int r, char *take_json)
{
	return r < 0 ? cli_fail_hf(cli) : cli_print_answer(cli, take_json, device_put);
}

int verb_device_status(struct cli *cli, struct opt_words words)
{
	char *json = NULL;
	int r = cli_parse(cli, NULL, 0, words);

	if (r >= 0)
		return r;
	r = hf_device_json(cli->hf, &json);
	return device_print(cli, r, json);
}

/* --- sign --- */

static int ask_sign(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	const char *const *purpose = arg;

	return hf_device_sign(hf, *purpose, input.data, input.len, ret_data, ret_len);
}

int verb_device_sign(struct cli *cli, struct opt_words words)
{
	const char *purpose = NULL;
	struct errand errand = {.in_max = HF_DEVICE_MESSAGE_MAX,
				.member = "signature",
				.ask = ask_sign,
				.arg = &purpose};
	const struct opt opts[] = {
		VERB_OPT_PURPOSE(&purpose),
		VERB_OPT_IN("what is signed, up to 64 KiB", &errand.in),
		VERB_OPT_OUT("the signature", &errand.out),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- certificate --- */

struct wish {
	bool pending, cross;
};

static int ask_certificate(struct hf *hf, void *arg, struct slice input, void **ret_data,
			   size_t *ret_len)
{
	const struct wish *wish = arg;
	char *pem = NULL;
	int r;

	(void)input;
	if (wish->cross || wish->pending)
		r = hf_device_pending(hf, wish->cross ? HF_PENDING_CROSS : HF_PENDING_OWN, &pem);
	else
		r = hf_device_certificate(hf, &pem);
	return errand_text(r, pem, ret_data, ret_len);
}

int verb_device_certificate(struct cli *cli, struct opt_words words)
{
	struct wish wish = {.pending = false};
	struct errand errand = {.member = "certificate",
				.answer_is_text = true,
				.ask = ask_certificate,
				.arg = &wish};
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "pending",
		 .help = "of the key that waits in a migration",
		 .flag = &wish.pending},
		{.kind = OPT_FLAG,
		 .name = "cross",
		 .help = "the proof by the present key that the one which waits succeeds it",
		 .flag = &wish.cross},
		VERB_OPT_OUT("the certificate, as PEM with its issuers behind it,", &errand.out),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- storage key --- */

int verb_device_storage_key(struct cli *cli, struct opt_words words)
{
	static const struct public_members MEMBERS = {
		.pem = "pem", .tpm = "public", .name = "name"};
	const char *format = NULL, *out = NULL;
	const struct opt opts[] = {
		PUBLIC_OPT_FORMAT_JSON(&format),
		PUBLIC_OPT_OUT(&out),
	};
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_device_storage_key(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	return public_print(cli, json, &MEMBERS, format, out);
}

/* --- unwrap --- */

#define DEVICE_KEY_MAX 2048u /* bytes of a line (docs/ARTIFACT.md, "Device keys") */
#define PART_MAX       512u

struct device_key {
	struct buf public, duplicate, seed;
};

static void device_key_fini(struct device_key *key)
{
	buf_fini(&key->public);
	buf_fini(&key->duplicate);
	buf_fini(&key->seed);
}

static int device_key_read(const char *path, struct device_key *ret_key, struct err *err)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_MAX);
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r = io_read(path, &line, err);

	if (r == 0)
		r = json_parse(buf_slice(&line), &json, err);
	if (r == 0)
		r = json_get_bytes(json, "public", true, &ret_key->public, err);
	if (r == 0)
		r = json_get_bytes(json, "duplicate", true, &ret_key->duplicate, err);
	if (r == 0)
		r = json_get_bytes(json, "seed", true, &ret_key->seed, err);
	return r;
}

int verb_device_unwrap(struct cli *cli, struct opt_words words)
{
	CLEANUP(device_key_fini)
	struct device_key key = {
		.public = BUF_INIT(PART_MAX),
		.duplicate = BUF_INIT(PART_MAX),
		.seed = BUF_INIT(PART_MAX),
	};
	const char *in = NULL, *out = NULL;
	const struct opt opts[] = {
		VERB_OPT_IN("what was wrapped, a device key of an artifact", &in),
		VERB_OPT_OUT("what was in it", &out),
	};
	struct hf_wrapped wrapped;
	void *data = NULL;
	size_t len = 0;
	struct err err;
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (device_key_read(in, &key, &err) < 0)
		return cli_fail(cli, &err);
	wrapped = (struct hf_wrapped){
		.public_area = key.public.data,
		.public_len = key.public.len,
		.duplicate = key.duplicate.data,
		.duplicate_len = key.duplicate.len,
		.seed = key.seed.data,
		.seed_len = key.seed.len,
	};
	if (hf_unwrap(cli->hf, &wrapped, &data, &len) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken(cli, out, "data", data, len);
}
