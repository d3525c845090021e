/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles are looked for as names first, since a key that was made without a name has its handle
 * for one; a key that was given a name is found by its handle in the list.
 */
#include "cmd/holdfast/eve.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/sign.h"

#define PREFIX	    "eve_tools_"
#define NAME_MAX    128u
#define TEXT_MAX    4096u
#define TYPES	    "0x1 (rsa) or 0x23 (ecc)"
#define HASHES	    "0xB (sha256), 0xC (sha384) or 0xD (sha512)"
#define REMEDY_NONE "Make one with eve_tools_tpm2_genaik -g 0x1, or see: holdfast aik list."

static int tool_genaik(struct cli *cli, struct opt_words words);
static int tool_pubgetaik(struct cli *cli, struct opt_words words);
static int tool_sign(struct cli *cli, struct opt_words words);

static const struct verb TOOLS[] = {
	{PREFIX "tpm2_genaik", tool_genaik, "Create an attestation key in the TPM"},
	{PREFIX "tpm2_pubgetaik", tool_pubgetaik, "Write an attestation key's public half as PEM"},
	{PREFIX "tpm2_sign", tool_sign, "Sign a file with an attestation key"},
};

/* --- names --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool eve_is_tool(const char *argv0)
{
	return strncmp(base_name(argv0), PREFIX, strlen(PREFIX)) == 0;
}

static int unknown_tool(const char *name)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	size_t i;

	cli_put_text(&out, name);
	buf_put_str(&out, ": no such tool; there are:\n");
	for (i = 0; i < ARRAY_LEN(TOOLS); i++)
		buf_printf(&out, "  %-27s %s\n", TOOLS[i].name, TOOLS[i].text);
	buf_put_str(&out, "Others are verbs of holdfast: see 'holdfast help'.\n");
	buf_put_u8(&out, '\0');
	if (buf_ok(&out))
		(void)fputs((const char *)out.data, stderr);
	return CLI_USAGE;
}

int eve_run(struct cli *cli, const char *argv0, struct opt_words words)
{
	const char *name = base_name(argv0);
	size_t i;

	for (i = 0; i < ARRAY_LEN(TOOLS); i++) {
		if (strcmp(TOOLS[i].name, name) != 0)
			continue;
		cli->verb = &TOOLS[i];
		cli->is_tool = true;
		return cli->verb->run(cli, words);
	}
	return unknown_tool(name);
}

/* --- words --- */

/* Turns @text into our word for it; exit code 2 when it has none. NULL stays NULL. */
static int translate(const struct cli *cli, const char *what,
		     const char *(*word_of)(const char *text), const char *known, const char **text)
{
	const char *word = *text ? word_of(*text) : NULL;
	struct err err;

	if (*text && !word) {
		(void)err_set(&err, ERR_INVALID, "%s is %s, not %s", what, known, *text);
		return cli_usage(cli, &err);
	}
	*text = word;
	return CLI_DONE;
}

/* --- handles --- */

/* An attestation key, as the command line says it and as the service knows it. */
struct target {
	const char *given;
	bool is_handle;
	char handle[16];
	char name[NAME_MAX + 1];
};

#define OPT_HANDLE(target)                                                                         \
	{                                                                                          \
		.kind = OPT_TEXT, .letter = 'k', .name = "key-handle", .value = "HANDLE",          \
		.help = "the handle that genaik has printed, or the key's name", .required = true, \
		.text = &(target).given                                                            \
	}

static int read_target(const struct cli *cli, struct target *target)
{
	uint32_t handle;
	struct err err;

	target->is_handle = eve_read_number(target->given, &handle);
	if (target->is_handle) {
		(void)snprintf(target->handle, sizeof(target->handle), "0x%08x", handle);
		memcpy(target->name, target->handle, strlen(target->handle) + 1);
		return CLI_DONE;
	}
	if (strlen(target->given) <= NAME_MAX) {
		memcpy(target->name, target->given, strlen(target->given) + 1);
		return CLI_DONE;
	}
	(void)err_set(&err, ERR_INVALID, "-k is a handle, as in 0x81010000, or a name");
	return cli_usage(cli, &err);
}

static int find_handle(void *arg, const struct hf_aik *aik)
{
	struct target *target = arg;

	if (strcmp(aik->handle, target->handle) != 0)
		return 0;
	(void)snprintf(target->name, sizeof(target->name), "%s", aik->name);
	return 1;
}

/* Looks the handle up once a call has not found it as a name. True when there is another name. */
static bool look_up(const struct cli *cli, struct target *target)
{
	return hf_error_code(cli->hf) == HF_NOT_FOUND && target->is_handle &&
	       hf_aik_list(cli->hf, find_handle, target) == 1 &&
	       strcmp(target->name, target->handle) != 0;
}

static int fail_target(const struct cli *cli, const struct target *target)
{
	struct err err;

	if (hf_error_code(cli->hf) != HF_NOT_FOUND && hf_error_code(cli->hf) != HF_OK)
		return cli_fail_hf(cli);
	(void)err_set(&err, ERR_NOT_FOUND, "there is no attestation key %s",
		      target->is_handle ? target->handle : target->name);
	(void)err_add_remedy(&err, REMEDY_NONE);
	return cli_fail(cli, &err);
}

/* --- genaik --- */

/* Word for word what EVE's tool prints. */
static void put_generated(struct buf *out, const json_t *object)
{
	buf_put_str(out, "AIK Pair generated at persistent handle ");
	cli_put_member(out, object, "handle", "\n");
}

static int tool_genaik(struct cli *cli, struct opt_words words)
{
	const char *type = NULL, *hash = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .letter = 'g',
		 .name = "alg",
		 .value = "ALG",
		 .help = "the algorithm of the key: " TYPES,
		 .required = true,
		 .text = &type},
		{.kind = OPT_TEXT,
		 .letter = 'h',
		 .name = "digest-alg",
		 .value = "HASH",
		 .help = "the one hash that it signs with: " HASHES "; default: 0xB",
		 .text = &hash},
	};
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = translate(cli, "-g", eve_type, TYPES, &type);
	if (r == CLI_DONE)
		r = translate(cli, "-h", eve_hash, HASHES, &hash);
	if (r != CLI_DONE)
		return r;
	if (hf_aik_create(cli->hf, NULL, type, hash, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_generated);
}

/* --- pubgetaik --- */

static int tool_pubgetaik(struct cli *cli, struct opt_words words)
{
	struct target target = {0};
	const char *path = NULL;
	const struct opt opts[] = {
		OPT_HANDLE(target),
		{.kind = OPT_TEXT,
		 .letter = 'f',
		 .name = "file",
		 .value = "FILE",
		 .help = "where the public key goes, as PEM",
		 .required = true,
		 .text = &path},
	};
	char *pem;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r < 0)
		r = read_target(cli, &target) == CLI_DONE ? -1 : CLI_USAGE;
	if (r >= 0)
		return r;
	r = hf_aik_public(cli->hf, target.name, &pem);
	if (r < 0 && look_up(cli, &target))
		r = hf_aik_public(cli->hf, target.name, &pem);
	return r < 0 ? fail_target(cli, &target) : cli_put_taken_text(cli, path, "public", pem);
}

/* --- sign --- */

/* The service has said that the hash is not the key's own: which one is, in words of this tool. */
static int fail_hash(const struct cli *cli, struct target *target, const char *hash)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *own = NULL, *advice;
	char *json;
	struct err err;
	int r;

	if (hf_error_code(cli->hf) != HF_NOT_SUPPORTED || !hash)
		return fail_target(cli, target);
	r = hf_aik_describe(cli->hf, target->name, &json);
	if (r < 0 && look_up(cli, target))
		r = hf_aik_describe(cli->hf, target->name, &json);
	if (r < 0)
		return fail_target(cli, target);
	r = json_parse(slice_str(json), &object, &err);
	if (r == 0)
		r = json_get_string(object, "hash", true, &own, &err);
	hf_free(json);
	if (r < 0)
		return cli_fail(cli, &err);
	advice = eve_hash_advice(own);
	(void)err_set(&err, ERR_NOT_SUPPORTED, "the key %s signs with %s alone, not with %s",
		      target->given, own, hash);
	if (advice)
		(void)err_add_remedy(&err, advice);
	return cli_fail(cli, &err);
}

struct signing {
	struct target target;
	const char *message;
	const char *hash;
	struct sign_options options; /* of them only where the signature goes */
};

static int sign_file(const struct cli *cli, struct signing *signing)
{
	CLEANUP(buf_fini) struct buf message = BUF_INIT(HF_MESSAGE_MAX);
	const struct hf_sign request = {.key = signing->target.name, .hash = signing->hash};
	struct err err;
	void *signature;
	size_t len;
	int r;

	if (io_read(signing->message, &message, &err) < 0)
		return cli_fail(cli, &err);
	r = hf_aik_sign(cli->hf, &request, message.data, message.len, &signature, &len);
	if (r < 0 && look_up(cli, &signing->target))
		r = hf_aik_sign(cli->hf, &request, message.data, message.len, &signature, &len);
	return r < 0 ? fail_hash(cli, &signing->target, signing->hash)
		     : sign_print(cli, &signing->options, signature, len);
}

static int tool_sign(struct cli *cli, struct opt_words words)
{
	struct signing signing = {.message = NULL};
	const struct opt opts[] = {
		OPT_HANDLE(signing.target),
		{.kind = OPT_TEXT,
		 .letter = 'm',
		 .name = "msg",
		 .value = "FILE",
		 .help = "what is signed, up to 1 MiB",
		 .required = true,
		 .text = &signing.message},
		{.kind = OPT_TEXT,
		 .letter = 'g',
		 .name = "halg",
		 .value = "HASH",
		 .help = "must be the key's own: " HASHES "; default: that one",
		 .text = &signing.hash},
		{.kind = OPT_TEXT,
		 .letter = 's',
		 .name = "sig",
		 .value = "FILE",
		 .help = "where the signature goes, as OpenSSL takes it: DER of ECDSA, or the "
			 "bytes of RSA",
		 .required = true,
		 .text = &signing.options.out},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = read_target(cli, &signing.target);
	if (r == CLI_DONE)
		r = translate(cli, "-g", eve_hash, HASHES, &signing.hash);
	return r == CLI_DONE ? sign_file(cli, &signing) : r;
}
