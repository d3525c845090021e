/* SPDX-License-Identifier: Apache-2.0 */

/* Attestation on the engine: the contract of provider.h in the engine's terms. */

#include <stdio.h>
#include <string.h>

#include "provider/tpm/impl.h"

_Static_assert(ENGINE_PCRS == PCR_COUNT && ENGINE_BANKS == PCR_BANKS, "the same registers");

int tpm_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
		   struct key_result *ret_key, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	const struct engine_aik aik = {.type = spec->type, .hash = spec->hash};
	struct tpm_provider *tpm = tpm_of(p);
	struct tpm_object parts = {.parent = ENGINE_HSK, .flags = TPM_OBJECT_AIK};
	int r = tpm_object_auth(tpm->auth_key, header, &auth, err);

	if (r == 0)
		r = tpm_used(
			p, engine_create_aik(tpm_engine(p), &aik, secret_slice(auth), &made, err));
	if (r < 0)
		return r;
	parts.public = buf_slice(&made.public);
	parts.private = buf_slice(&made.private);
	return tpm_finish_key(tpm, header, &parts, ret_key, err);
}

/* --- the engine's words and the contract's -------------------------------------------------- */

static struct engine_pcrs pcrs_of(const struct pcr_selection *selection)
{
	struct engine_pcrs pcrs = {0};

	/* A bank of which nothing is wanted is none. */
	for (size_t i = 0; i < selection->count && i < ENGINE_BANKS; i++) {
		if (!selection->banks[i].mask)
			continue;
		pcrs.banks[pcrs.count].hash = selection->banks[i].hash;
		pcrs.banks[pcrs.count++].mask = selection->banks[i].mask;
	}
	return pcrs;
}

static struct pcr_selection selection_of(const struct engine_pcrs *pcrs)
{
	struct pcr_selection selection = {.count = pcrs->count};

	for (size_t i = 0; i < pcrs->count; i++) {
		selection.banks[i].hash = pcrs->banks[i].hash;
		selection.banks[i].mask = pcrs->banks[i].mask;
	}
	return selection;
}

static void values_take(const struct engine_pcr_values *values, struct pcr_values *ret_values)
{
	_Static_assert(sizeof(values->digest) == sizeof(ret_values->digest), "the same room");

	ret_values->selection = selection_of(&values->pcrs);
	memcpy(ret_values->digest, values->digest, sizeof(values->digest));
	ret_values->update_counter = values->update_counter;
}

static int attested_take(const struct engine_attested *attested, struct attestation *ret_made,
			 struct err *err)
{
	buf_put(&ret_made->attest, buf_slice(&attested->attest));
	buf_put(&ret_made->signature, buf_slice(&attested->signature));
	if (!buf_ok(&ret_made->attest) || !buf_ok(&ret_made->signature))
		return err_set(err, ERR_INTERNAL, "no room for what the TPM says");
	return 0;
}

/* --- the calls ----------------------------------------------------------------------------- */

int tpm_quote(struct provider *p, struct slice header, struct slice object,
	      const struct quote_request *request, struct attestation *ret_quote,
	      struct pcr_values *ret_values, struct err *err)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	CLEANUP(opened_fini) struct opened aik = {0};
	const struct engine_quote quote = {.nonce = request->nonce,
					   .pcrs = pcrs_of(&request->pcrs)};
	struct engine_pcr_values values = {0};
	int r = opened_open_aik(tpm_of(p), header, object, &aik, err);

	if (r == 0)
		r = tpm_used(p, engine_quote(tpm_engine(p), &aik.object, &quote, &made,
					     request->values ? &values : NULL, err));
	r = tpm_refused_is_damaged(r, err);
	if (r == 0)
		r = attested_take(&made, ret_quote, err);
	if (r == 0 && request->values)
		values_take(&values, ret_values);
	return r;
}

int tpm_certify(struct provider *p, const struct provider_object *aik,
		const struct provider_object *key, struct slice nonce,
		struct attestation *ret_certified, struct err *err)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	CLEANUP(opened_fini) struct opened signer = {0}, subject = {0};
	struct tpm_provider *tpm = tpm_of(p);
	int r = opened_open_aik(tpm, aik->header, aik->object, &signer, err);

	if (r == 0)
		r = opened_open(tpm, key->header, key->object, &subject, err);
	if (r == 0)
		r = tpm_used(p, engine_certify(tpm_engine(p), &signer.object, &subject.object,
					       nonce, &made, err));
	r = tpm_refused_is_damaged(r, err);
	return r < 0 ? r : attested_take(&made, ret_certified, err);
}

int tpm_activate(struct provider *p, struct slice header, struct slice object,
		 const struct credential *credential, struct secret **ret_secret, struct err *err)
{
	CLEANUP(opened_fini) struct opened aik = {0};
	const struct engine_credential challenge = {
		.ek = credential->ek, .blob = credential->blob, .secret = credential->secret};
	int r = opened_open_aik(tpm_of(p), header, object, &aik, err);

	if (r == 0)
		r = tpm_used(p, engine_activate(tpm_engine(p), &aik.object, &challenge, ret_secret,
						err));
	return tpm_refused_is_damaged(r, err);
}

/* The public half in the forms that everybody else reads. */
static int ek_take(const struct engine_ek *ek, struct ek_result *ret_ek, struct err *err)
{
	struct engine_public parsed = {0};
	int r = engine_public_parse(buf_slice(&ret_ek->public), &parsed, err);

	if (r < 0)
		return r;
	r = pkey_to_spki(parsed.key, &ret_ek->spki, err);
	pkey_free(parsed.key);
	ret_ek->type = ek->type;
	ret_ek->handle = ek->handle;
	buf_put(&ret_ek->name, slice_of(ek->name.bytes, ek->name.len));
	buf_put(&ret_ek->certificate, ek->certificate);
	buf_put(&ret_ek->chain, ek->chain);
	return r;
}

int tpm_ek(struct provider *p, enum pkey_type type, struct ek_result *ret_ek, struct err *err)
{
	struct engine_ek ek = {.public = &ret_ek->public};
	int r = tpm_used(p, engine_ek(tpm_engine(p), type, &ek, err));

	if (r < 0)
		return r;
	snprintf(ret_ek->remark, sizeof(ret_ek->remark), "%s", engine_ek_remark(tpm_of(p)->engine));
	return ek_take(&ek, ret_ek, err);
}

int tpm_pcrs(struct provider *p, const struct pcr_selection *selection,
	     struct pcr_values *ret_values, struct err *err)
{
	const struct engine_pcrs wanted = pcrs_of(selection);
	struct engine_pcr_values values = {0};
	int r = tpm_used(p, engine_read_pcrs(tpm_engine(p), &wanted, &values, err));

	if (r == 0)
		values_take(&values, ret_values);
	return r;
}

int tpm_pcr_banks(struct provider *p, struct pcr_selection *ret_banks, struct err *err)
{
	struct engine_pcrs banks;
	int r = tpm_used(p, engine_pcr_banks(tpm_engine(p), &banks, err));

	if (r == 0)
		*ret_banks = selection_of(&banks);
	return r;
}
