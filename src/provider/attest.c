/* SPDX-License-Identifier: Apache-2.0 */
/* The door, for attestation. */

#include "provider/impl.h"

#define SIGNATURE_MAX 1024u
#define BLOB_MAX      256u /* TPM2B_ID_OBJECT: an integrity HMAC and a digest, with their lengths */
#define SECRET_MAX    512u /* TPM2B_ENCRYPTED_SECRET: as long as the modulus of the EK */
#define PCR_ALL	      ((UINT32_C(1) << PCR_COUNT) - 1u)

/* TPM_GENERATED_VALUE (Part 2, 6.2): a restricted key signs nothing that could be the chip's own.
 */
static const uint8_t generated[] = {0xff, 'T', 'C', 'G'};

void attestation_fini(struct attestation *attestation)
{
	buf_fini(&attestation->attest);
	buf_fini(&attestation->signature);
}

void ek_result_fini(struct ek_result *result)
{
	buf_fini(&result->public);
	buf_fini(&result->spki);
	buf_fini(&result->name);
	buf_fini(&result->certificate);
	buf_fini(&result->chain);
}

static int attestation_hand_over(struct attestation *made, struct attestation *ret_made,
				 struct err *err)
{
	if (!buf_ok(&made->attest) || !buf_ok(&made->signature))
		return err_set(err, ERR_INTERNAL, "no room for what the SecurityProvider made");
	attestation_fini(ret_made);
	*ret_made = *made;
	*made = (struct attestation)ATTESTATION_INIT;
	return 0;
}

static int check_selection(const struct pcr_selection *pcrs, struct err *err)
{
	uint32_t any = 0;
	unsigned seen = 0;
	size_t i;

	if (pcrs->count > PCR_BANKS)
		return err_set(err, ERR_INVALID, "at most %u banks of PCRs", PCR_BANKS);
	for (i = 0; i < pcrs->count; i++) {
		if ((unsigned)pcrs->banks[i].hash >= HASH_ALGS || seen & 1u << pcrs->banks[i].hash)
			return err_set(err, ERR_INVALID, "each bank of PCRs stands once");
		if (pcrs->banks[i].mask & ~PCR_ALL)
			return err_set(err, ERR_INVALID, "PCRs are 0 to %u", PCR_COUNT - 1);
		seen |= 1u << pcrs->banks[i].hash;
		any |= pcrs->banks[i].mask;
	}
	return any ? 0 : err_set(err, ERR_INVALID, "no PCR is selected");
}

static int check_nonce(struct slice nonce, struct err *err)
{
	if (nonce.len > PROVIDER_NONCE_MAX)
		return err_set(err, ERR_INVALID, "a nonce has at most %u bytes",
			       PROVIDER_NONCE_MAX);
	return 0;
}

int provider_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
			struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	int r;

	if (!p || !p->ops->aik_create)
		return provider_not_there(err);
	if ((unsigned)spec->type >= PKEY_TYPES)
		return err_set(err, ERR_INVALID, "unknown type of key");
	if ((unsigned)spec->hash >= HASH_ALGS || spec->hash == HASH_SHA1)
		return err_set(err, ERR_INVALID, "an attestation key needs sha256 or better");
	r = provider_check_header(header, err);
	if (r == 0)
		r = provider_check_aik(header, true, err);
	if (r == 0)
		r = p->ops->aik_create(p, header, spec, &made, err);
	made.type = spec->type;
	made.uses = KEY_USE_SIGN;
	return r < 0 ? r : provider_key_hand_over(&made, ret_key, err);
}

int provider_check_message(struct slice first, struct err *err)
{
	if (first.len >= sizeof(generated) && slice_equal(slice_of(first.data, sizeof(generated)),
							  slice_of(generated, sizeof(generated))))
		return err_set(err, ERR_INVALID,
			       "the message begins as what a TPM says itself; no attestation key "
			       "signs that");
	return 0;
}

int provider_aik_sign(struct provider *p, struct slice header, struct slice object,
		      struct slice message, struct buf *ret_signature, struct err *err)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	int r;

	if (!p || !p->ops->aik_sign)
		return provider_not_there(err);
	if (message.len == 0 || message.len > PROVIDER_PIECE_MAX)
		return err_set(err, ERR_INTERNAL, "%zu bytes are no piece", message.len);
	r = provider_check_message(message, err);
	if (r == 0)
		r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, true, err);
	if (r == 0)
		r = p->ops->aik_sign(p, header, object, message, &signature, err);
	return r < 0 ? r : provider_hand_over(&signature, ret_signature, err);
}

int provider_quote(struct provider *p, struct slice header, struct slice object,
		   const struct quote_request *request, struct attestation *ret_quote,
		   struct pcr_values *ret_values, struct err *err)
{
	CLEANUP(attestation_cleanup) struct attestation made = ATTESTATION_INIT;
	struct pcr_values values = {0};
	int r;

	if (!p || !p->ops->quote)
		return provider_not_there(err);
	r = check_nonce(request->nonce, err);
	if (r == 0)
		r = check_selection(&request->pcrs, err);
	if (r == 0)
		r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, true, err);
	if (r == 0)
		r = p->ops->quote(p, header, object, request, &made, &values, err);
	if (r == 0)
		r = attestation_hand_over(&made, ret_quote, err);
	if (r == 0 && request->values)
		*ret_values = values;
	return r;
}

int provider_certify(struct provider *p, const struct provider_object *aik,
		     const struct provider_object *key, struct slice nonce,
		     struct attestation *ret_certified, struct err *err)
{
	CLEANUP(attestation_cleanup) struct attestation made = ATTESTATION_INIT;
	int r;

	if (!p || !p->ops->certify)
		return provider_not_there(err);
	r = check_nonce(nonce, err);
	if (r == 0)
		r = provider_check_object(aik->header, aik->object, err);
	if (r == 0)
		r = provider_check_object(key->header, key->object, err);
	if (r == 0)
		r = provider_check_aik(aik->header, true, err);
	if (r == 0)
		r = provider_check_aik(key->header, false, err);
	if (r == 0)
		r = p->ops->certify(p, aik, key, nonce, &made, err);
	return r < 0 ? r : attestation_hand_over(&made, ret_certified, err);
}

int provider_check_credential(const struct credential *credential, struct err *err)
{
	if ((unsigned)credential->ek > PKEY_TYPES)
		return err_set(err, ERR_INVALID, "unknown type of key");
	if (credential->blob.len < 2 || credential->blob.len > BLOB_MAX ||
	    credential->secret.len < 2 || credential->secret.len > SECRET_MAX)
		return err_set(err, ERR_INVALID, "the credential has an impossible length");
	return 0;
}

int provider_activate(struct provider *p, struct slice header, struct slice object,
		      const struct credential *credential, struct secret **ret_secret,
		      struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	int r;

	if (!p || !p->ops->activate)
		return provider_not_there(err);
	r = provider_check_credential(credential, err);
	if (r == 0)
		r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, true, err);
	if (r == 0)
		r = p->ops->activate(p, header, object, credential, &secret, err);
	if (r == 0)
		*ret_secret = TAKE(secret);
	return r;
}

int provider_ek(struct provider *p, enum pkey_type type, struct ek_result *ret_ek, struct err *err)
{
	CLEANUP(ek_result_cleanup) struct ek_result made = EK_RESULT_INIT;
	int r;

	if (!p || !p->ops->ek)
		return provider_not_there(err);
	if ((unsigned)type > PKEY_TYPES)
		return err_set(err, ERR_INVALID, "unknown type of key");
	r = p->ops->ek(p, type, &made, err);
	if (r < 0)
		return r;
	if (!buf_ok(&made.public) || !buf_ok(&made.spki) || !buf_ok(&made.name) ||
	    !buf_ok(&made.certificate) || !buf_ok(&made.chain))
		return err_set(err, ERR_INTERNAL, "no room for what the SecurityProvider made");
	ek_result_fini(ret_ek);
	*ret_ek = made;
	made = (struct ek_result)EK_RESULT_INIT;
	return 0;
}

int provider_pcrs(struct provider *p, const struct pcr_selection *selection,
		  struct pcr_values *ret_values, struct err *err)
{
	struct pcr_values values = {0};
	int r;

	if (!p || !p->ops->pcrs)
		return provider_not_there(err);
	r = check_selection(selection, err);
	if (r == 0)
		r = p->ops->pcrs(p, selection, &values, err);
	if (r == 0)
		*ret_values = values;
	return r;
}

int provider_pcr_banks(struct provider *p, struct pcr_selection *ret_banks, struct err *err)
{
	if (!p || !p->ops->pcr_banks)
		return provider_not_there(err);
	return p->ops->pcr_banks(p, ret_banks, err);
}
