/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI's configuration, in the order of the packages' own file. Two values are not written as they
 * are configured, since FAPI wants them as the TSS 2.0 JSON Data Types and Policy Language
 * Specification has them: PCRs as TPML_PCR_SELECTION, the fingerprint as TPMT_HA.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "fapi/profile.h"
#include "stack/render_impl.h"

#define PCRS 24u

/* What FAPI tries first without a TCTI. Whatever comes later could be another than is meant. */
#define FOUND_FIRST "tabrmd:bus_name=" RENDER_BUS_NAME

/* The way that the environment's variables name, unless FAPI finds it by itself. */
static void put_tcti_of_environment(const struct conf *conf, struct buf *out)
{
	CLEANUP(buf_fini) struct buf tcti = BUF_INIT(STACK_CONTENT_MAX);
	const char *text;

	render_environment_tcti(conf, &tcti);
	buf_put_u8(&tcti, '\0');
	text = buf_ok(&tcti) ? (const char *)tcti.data : "";
	json_put_string(out, strcmp(text, FOUND_FIRST) == 0 ? "" : text);
}

static void put_tcti(const struct conf *conf, struct buf *out)
{
	const char *own = conf->tpm2.fapi.tcti;

	if (own[0] == '\0' && conf->tpm2.tcti_environment_enable)
		put_tcti_of_environment(conf, out);
	else
		json_put_string(out, own);
}

static bool selects(const struct conf_list *pcrs, unsigned pcr)
{
	char name[4];
	size_t i;

	(void)snprintf(name, sizeof(name), "%u", pcr);
	for (i = 0; i < pcrs->count; i++)
		if (strcmp(pcrs->items[i], name) == 0)
			return true;
	return false;
}

/* A PCR of the bank that both profiles use; in rising order, each once. */
static void put_pcrs(const struct conf_list *pcrs, struct buf *out)
{
	const char *between = "";
	unsigned pcr;

	if (pcrs->count == 0) {
		buf_put_str(out, "[]");
		return;
	}
	buf_put_str(out, "[{\"hash\": \"TPM2_ALG_SHA256\", \"pcrSelect\": [");
	for (pcr = 0; pcr < PCRS; pcr++) {
		if (!selects(pcrs, pcr))
			continue;
		buf_printf(out, "%s%u", between, pcr);
		between = ", ";
	}
	buf_put_str(out, "]}]");
}

/* By its length, which the schema has seen to. */
static void put_fingerprint(const char *digits, struct buf *out)
{
	size_t bits = strlen(digits) * 4;

	buf_printf(out, "{\"hashAlg\": \"TPM2_ALG_SHA%zu\", \"digest\": \"%s\"}", bits, digits);
}

static void put_name(const char *name, struct buf *out)
{
	buf_printf(out, "%s\n    \"%s\": ", out->len == 1 ? "" : ",", name);
}

static void put_text(const char *name, const char *text, struct buf *out)
{
	put_name(name, out);
	json_put_string(out, text);
}

void render_fapi_config(const struct conf *conf, struct buf *out)
{
	const struct conf_fapi_profile *fapi = &conf->tpm2.fapi;

	buf_put_u8(out, '{');
	put_text("profile_name", fapi->profile_name, out);
	put_text("profile_dir", fapi->profile_dir, out);
	put_text("user_dir", fapi->user_dir, out);
	put_text("system_dir", fapi->system_dir, out);
	put_name("tcti", out);
	put_tcti(conf, out);
	put_name("system_pcrs", out);
	put_pcrs(&fapi->system_pcrs, out);
	put_text("log_dir", fapi->log_dir, out);
	if (fapi->ek_cert_less >= 0)
		put_text("ek_cert_less", fapi->ek_cert_less > 0 ? "yes" : "no", out);
	if (fapi->ek_fingerprint) {
		put_name("ek_fingerprint", out);
		put_fingerprint(fapi->ek_fingerprint, out);
	}
	put_text("firmware_log_file", fapi->firmware_log_file, out);
	put_text("ima_log_file", fapi->ima_log_file, out);
	buf_put_str(out, "\n}\n");
}

void render_fapi_ecc(const struct conf *conf, struct buf *out)
{
	(void)conf;
	buf_put_str(out, fapi_profile_of("P_ECCP256SHA256")->text);
}

void render_fapi_rsa(const struct conf *conf, struct buf *out)
{
	(void)conf;
	buf_put_str(out, fapi_profile_of("P_RSA2048SHA256")->text);
}
