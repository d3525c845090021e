/* SPDX-License-Identifier: Apache-2.0 */
/* What FAPI, PKCS#11 and their users need of the chip and of the disk. */
#include <string.h>
#include <strings.h>

#include "stack/judge.h"
#include "stack/render_impl.h"

#define TOOLS_PACKAGE "tpm2-tools"
#define NODA_PROFILE                                                                               \
	"Harmless unless guessing locks the chip: then nothing below this key opens. FAPI makes "  \
	"one without that by a profile of your own, in a profileDir of your own, whose "           \
	"srk_template is \"system,restricted,decrypt,noda,0x81000001\"; before provisioning."

/* Is @word one of "a|b|c"? */
static bool has_attribute(const char *attributes, const char *word)
{
	size_t len = strlen(word);
	const char *at = attributes;

	while (at) {
		if (strncmp(at, word, len) == 0 && (at[len] == '|' || at[len] == '\0'))
			return true;
		at = strchr(at, '|');
		at = at ? at + 1 : NULL;
	}
	return false;
}

static bool profile_is(const struct judge *judge, const char *start)
{
	return strncmp(judge->tpm2->fapi.profile_name, start, strlen(start)) == 0;
}

/* --- FAPI's files --- */

static void judge_profile(struct judge *judge)
{
	const struct conf_fapi_profile *fapi = &judge->tpm2->fapi;
	struct finding *finding;

	if (judge->facts->profile == FACT_THERE) {
		finding_add(judge->out, "fapi-profile", FINDING_OK, "%s is in %s",
			    fapi->profile_name, fapi->profile_dir);
	} else if (judge->facts->profile == FACT_UNKNOWN) {
		finding_add(judge->out, "fapi-profile", FINDING_INFO,
			    "%s: this user may not look there", fapi->profile_dir);
	} else {
		finding = finding_add(judge->out, "fapi-profile", FINDING_FAIL,
				      "there is no %s.json in %s: every call of FAPI fails",
				      fapi->profile_name, fapi->profile_dir);
		finding_remedy(finding, "Install the profiles (Debian: libtss2-fapi1), or name one "
					"that is there: tpm2 { fapi { profileName } }.");
	}
}

/* FAPI's record and the chip's key belong together. */
static void judge_keystore(struct judge *judge)
{
	bool asked = judge->facts->persistent.tool == TOOL_ANSWERED;
	bool in_chip = fact_handles_have(&judge->facts->persistent, FACT_SRK_HANDLE);
	struct finding *finding;

	if (judge->facts->keystore == FACT_UNKNOWN) {
		finding_add(judge->out, "fapi-keystore", FINDING_INFO,
			    "whether FAPI is provisioned, this user may not see");
	} else if (judge->facts->keystore == FACT_NOT_THERE) {
		finding = finding_add(judge->out, "fapi-keystore", FINDING_INFO,
				      "FAPI is not provisioned with profile %s",
				      judge->tpm2->fapi.profile_name);
		finding_remedy(finding, "When programs are to use it, as root: tss2_provision");
	} else if (asked && !in_chip) {
		finding = finding_add(judge->out, "fapi-keystore", FINDING_WARN,
				      "FAPI is provisioned, and its storage key 0x81000001 is not "
				      "in the chip: nothing of FAPI opens");
		finding_remedy(finding,
			       "The chip was cleared or replaced. What was sealed is "
			       "lost; move %s away and provision anew.",
			       judge->tpm2->fapi.system_dir);
	} else {
		finding_add(judge->out, "fapi-keystore", FINDING_OK,
			    "FAPI is provisioned with profile %s", judge->tpm2->fapi.profile_name);
	}
}

void judge_fapi(struct judge *judge)
{
	const struct conf *conf = judge->conf;
	const struct judge_folder system_dir = {
		.id = "fapi-system-dir",
		.node = &judge->facts->system_dir,
		.mode = 02770,
		.owner = "root",
		.group = conf->tpm2.tss_group,
		.why = "FAPI keeps there what all users share, and begins only if it may.",
	};
	const struct judge_folder log_dir = {
		.id = "fapi-log-dir",
		.node = &judge->facts->log_dir,
		.mode = 02750,
		.owner = render_user(&conf->tpm2),
		.group = conf->tpm2.tss_group,
		.why = "FAPI logs there what it measures, and begins only if it is there.",
	};

	if (!judge->tpm2->enable)
		return;
	judge_profile(judge);
	judge_folder(judge, &system_dir);
	judge_folder(judge, &log_dir);
	judge_keystore(judge);
}

/* --- the endorsement key's certificate --- */

static bool has_certificate(const struct judge *judge)
{
	const struct fact_handles *nv = &judge->facts->nv;

	if (profile_is(judge, "P_RSA2048"))
		return fact_handles_have(nv, FACT_EK_RSA_2048);
	if (profile_is(judge, "P_ECCP256"))
		return fact_handles_have(nv, FACT_EK_ECC_P256);
	return fact_handles_have(nv, FACT_EK_RSA_2048) || fact_handles_have(nv, FACT_EK_ECC_P256) ||
	       fact_handles_have(nv, FACT_EK_ECC_P384);
}

static void judge_certificate(struct judge *judge)
{
	const struct conf_fapi_profile *fapi = &judge->tpm2->fapi;
	struct finding *finding;

	if (judge->facts->nv.tool != TOOL_ANSWERED) {
		judge_tool(judge, "ek-certificate", judge->facts->nv.tool, TOOLS_PACKAGE);
	} else if (has_certificate(judge)) {
		finding = finding_add(judge->out, "ek-certificate",
				      fapi->ek_cert_less == 1 ? FINDING_INFO : FINDING_OK,
				      "the chip has a certificate of the endorsement key for "
				      "profile %s%s",
				      fapi->profile_name,
				      fapi->ek_cert_less == 1 ? ", and ekCertLess passes it over"
							      : "");
		if (fapi->ek_cert_less == 1)
			finding_remedy(finding, "Without ekCertLess FAPI proves at provisioning "
						"that the chip is a real one.");
	} else if (fapi->ek_cert_less == 1 || fapi->ek_fingerprint) {
		finding_add(judge->out, "ek-certificate", FINDING_OK,
			    "the chip has none for profile %s, and the configuration needs none",
			    fapi->profile_name);
	} else {
		finding = finding_add(judge->out, "ek-certificate", FINDING_WARN,
				      "the chip has no certificate of the endorsement key for "
				      "profile %s: tss2_provision ends with 0x60025",
				      fapi->profile_name);
		finding_remedy(finding, "tpm2 { fapi { ekCertLess = true } }, or the key's "
					"ekFingerprint, or a profile of another key.");
	}
}

/* --- the storage root key --- */

static bool fits_profile(const struct judge *judge, const char *type)
{
	return !(profile_is(judge, "P_ECC") && strcmp(type, "ecc") != 0) &&
	       !(profile_is(judge, "P_RSA") && strcmp(type, "rsa") != 0);
}

static void judge_template(struct judge *judge)
{
	const struct fact_public *srk = &judge->facts->srk;
	bool storage = has_attribute(srk->attributes, "restricted") &&
		       has_attribute(srk->attributes, "decrypt");
	struct finding *finding;

	if (!storage) {
		finding = finding_add(judge->out, "srk", FINDING_WARN,
				      "what is at 0x81000001 is no storage key: %s, Name %s",
				      srk->attributes, srk->name);
		finding_remedy(finding, "FAPI and others expect the storage root key there: "
					"tpm2_evictcontrol moves what is there, if nobody needs "
					"it.");
	} else if (judge->tpm2->enable && !fits_profile(judge, srk->type)) {
		finding = finding_add(judge->out, "srk", FINDING_WARN,
				      "0x81000001 is a key of type %s, which profile %s does not "
				      "take: tss2_provision ends with 0x6000b; Name %s",
				      srk->type, judge->tpm2->fapi.profile_name, srk->name);
		finding_remedy(finding, "Name the profile of that type: tpm2 { fapi { profileName "
					"} }.");
	} else if (!has_attribute(srk->attributes, "noda")) {
		finding = finding_add(judge->out, "srk", FINDING_INFO,
				      "0x81000001 is a storage key of type %s that a lockout locks "
				      "(without noDA); Name %s",
				      srk->type, srk->name);
		finding_remedy(finding, NODA_PROFILE);
	} else {
		finding_add(judge->out, "srk", FINDING_OK,
			    "0x81000001 is a storage key of type %s, free of lockout; Name %s",
			    srk->type, srk->name);
	}
}

static void judge_srk(struct judge *judge)
{
	const struct fact_handles *persistent = &judge->facts->persistent;

	if (persistent->tool != TOOL_ANSWERED)
		judge_tool(judge, "srk", persistent->tool, TOOLS_PACKAGE);
	else if (!fact_handles_have(persistent, FACT_SRK_HANDLE))
		finding_add(judge->out, "srk", FINDING_INFO,
			    "there is no storage root key at 0x81000001 yet: provisioning makes "
			    "it");
	else if (judge->facts->srk.tool != TOOL_ANSWERED)
		judge_tool(judge, "srk", judge->facts->srk.tool, TOOLS_PACKAGE);
	else
		judge_template(judge);
}

/* --- the rest of the chip --- */

static void judge_lockout(struct judge *judge)
{
	const struct fact_lockout *lockout = &judge->facts->lockout;
	struct finding *finding;

	if (lockout->tool != TOOL_ANSWERED) {
		judge_tool(judge, "lockout", lockout->tool, TOOLS_PACKAGE);
	} else if (lockout->max == 0) {
		finding = finding_add(judge->out, "lockout", FINDING_FAIL,
				      "the chip allows 0 failed attempts, as some Jetsons do: what "
				      "has a password or lacks noDA is locked from the start");
		finding_remedy(finding, "As root: tpm2_dictionarylockout --setup-parameters "
					"--max-tries=32 --recovery-time=600 "
					"--lockout-recovery-time=600 (--auth where lockout has a "
					"password).");
	} else if (lockout->in_lockout) {
		finding =
			finding_add(judge->out, "lockout", FINDING_FAIL,
				    "the chip refuses to use what has a password: %u of %u failed "
				    "attempts",
				    lockout->counter, lockout->max);
		finding_remedy(finding, "Wait until the chip has forgotten them, or, as root: "
					"tpm2_dictionarylockout --clear-lockout (--auth where "
					"lockout has a password).");
	} else if (lockout->counter > 0) {
		finding_add(judge->out, "lockout",
			    lockout->counter > lockout->max / 2 ? FINDING_WARN : FINDING_INFO,
			    "no, after %u of %u failed attempts", lockout->counter, lockout->max);
	} else {
		finding_add(judge->out, "lockout", FINDING_OK, "no, and none of %u failed attempts",
			    lockout->max);
	}
}

/* Tools and service may be sent to two chips without anybody noticing. */
static void judge_same(struct judge *judge)
{
	const struct fact_service *service = &judge->facts->service;
	const struct fact_public *ek = &judge->facts->ek;
	struct finding *finding;

	if (!service->ek_known || ek->tool == TOOL_NOT_RUN || ek->tool == TOOL_ABSENT)
		return;
	if (ek->tool == TOOL_ANSWERED && strcasecmp(ek->name, service->ek_name) == 0) {
		finding_add(judge->out, "same-tpm", FINDING_OK,
			    "tools and holdfastd use the same TPM");
		return;
	}
	finding = finding_add(judge->out, "same-tpm", FINDING_WARN,
			      "the tools do not see the endorsement key 0x%08x that holdfastd has "
			      "in its TPM (%s): they may use another one",
			      service->ek_handle, service->tcti);
	finding_remedy(finding, "Compare tcti in section tpm of holdfast.conf with "
				"TPM2TOOLS_TCTI.");
}

void judge_chip(struct judge *judge)
{
	if (judge->tpm2->enable)
		judge_certificate(judge);
	judge_srk(judge);
	judge_lockout(judge);
	judge_same(judge);
}

/* --- PKCS#11 --- */

void judge_pkcs11(struct judge *judge)
{
	const struct judge_folder store = {
		.id = "pkcs11-store",
		.node = &judge->facts->p11_store,
		.mode = 02770,
		.owner = "root",
		.group = judge->tpm2->tss_group,
		.why = "The module keeps its tokens there; else each user has some of its own.",
	};
	struct finding *finding;

	if (!judge->tpm2->enable || !judge->tpm2->pkcs11_enable)
		return;
	if (judge->facts->p11 != TOOL_ANSWERED) {
		judge_tool(judge, "pkcs11-module", judge->facts->p11, "p11-kit");
	} else if (judge->facts->p11_listed) {
		finding_add(judge->out, "pkcs11-module", FINDING_OK, "p11-kit lists tpm2_pkcs11");
	} else {
		finding = finding_add(judge->out, "pkcs11-module", FINDING_FAIL,
				      "p11-kit does not list tpm2_pkcs11: it cannot be loaded, or "
				      "reaches no TPM");
		finding_remedy(finding, "Install the package libtpm2-pkcs11-1; then look at tcti "
					"above, and: p11-kit list-modules");
	}
	judge_folder(judge, &store);
}
