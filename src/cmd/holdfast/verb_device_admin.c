/* SPDX-License-Identifier: Apache-2.0 */
/* The device's identity, for the administrator, but for the end of all of it (verb_device_reset.c).
 */
#include <jansson.h>

#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/csr.h"
#include "cmd/holdfast/device.h"
#include "cmd/holdfast/errand.h"
#include "cmd/holdfast/verb.h"

#define CHAIN_MAX (48u * 1024u)

int verb_device_init(struct cli *cli, struct opt_words words)
{
	bool software = false;
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "software",
		 .help = "with a key in a file, though a TPM may be there or expected",
		 .flag = &software},
	};
	char *json = NULL;
	int r = admin_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	r = hf_device_init(cli->hf, software ? HF_DEVICE_SOFTWARE : 0u, &json);
	return device_print(cli, r, json);
}

int verb_device_renew(struct cli *cli, struct opt_words words)
{
	char *json = NULL;
	int r = admin_parse(cli, NULL, 0, words);

	if (r >= 0)
		return r;
	r = hf_device_renew(cli->hf, &json);
	return device_print(cli, r, json);
}

int verb_device_approve(struct cli *cli, struct opt_words words)
{
	char *json = NULL;
	int r = admin_parse(cli, NULL, 0, words);

	if (r >= 0)
		return r;
	r = hf_device_approve(cli->hf, &json);
	return device_print(cli, r, json);
}

int verb_device_migrate(struct cli *cli, struct opt_words words)
{
	bool confirm = false, rollback = false;
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "confirm",
		 .help = "use the new key from now on, and erase the old one",
		 .flag = &confirm},
		{.kind = OPT_FLAG,
		 .name = "rollback",
		 .help = "or give the new key up",
		 .flag = &rollback},
	};
	char *json = NULL;
	struct err err;
	int r = admin_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (confirm && rollback) {
		(void)err_set(&err, ERR_INVALID, "--confirm does not go with --rollback");
		return cli_usage(cli, &err);
	}
	r = hf_device_migrate(cli->hf,
			      confirm	 ? HF_MIGRATE_CONFIRM
			      : rollback ? HF_MIGRATE_ROLLBACK
					 : HF_MIGRATE_BEGIN,
			      &json);
	return device_print(cli, r, json);
}

/* --- certificates of a CA --- */

static int ask_csr(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	char *pem = NULL;
	int r;

	(void)input;
	r = hf_device_request(hf, arg, &pem);
	return errand_text(r, pem, ret_data, ret_len);
}

int verb_device_csr(struct cli *cli, struct opt_words words)
{
	struct csr csr = CSR_INIT(csr);
	struct errand errand = {.is_admin = true,
				.member = "request",
				.answer_is_text = true,
				.ask = ask_csr,
				.arg = &csr.request};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "subject",
		 .value = "NAMES",
		 .help = "as RFC 4514 writes it: CN=gw-1,O=Example; default: that of the "
			 "certificate",
		 .text = &csr.request.subject},
		CSR_OPTS(csr, errand),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

static int ask_install(struct hf *hf, void *arg, struct slice input, void **ret_data,
		       size_t *ret_len)
{
	char *json = NULL;
	int r;

	(void)arg;
	r = hf_device_install(hf, (const char *)input.data, &json);
	return errand_text(r, json, ret_data, ret_len);
}

static int put_device(const struct cli *cli, const struct errand *errand, void *take_data,
		      size_t len)
{
	(void)errand;
	(void)len;
	return device_print(cli, 0, take_data);
}

int verb_device_install(struct cli *cli, struct opt_words words)
{
	struct errand errand = {.is_admin = true,
				.in_max = CHAIN_MAX,
				.text = "certificate",
				.ask = ask_install,
				.put = put_device};
	const struct opt opts[] = {
		VERB_OPT_IN("the device's certificate as PEM, with its issuers behind it",
			    &errand.in),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}
