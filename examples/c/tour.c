/* SPDX-License-Identifier: Apache-2.0 */
/* A key, a signature, a sealed secret and a quote, through the socket of this program's tenant. */
#include <stdio.h>
#include <string.h>

#include <holdfast/client.h>

#define KEY    "tour"
#define SECRET "the secret of this program"

static int failed(const struct hf *hf, const char *what)
{
	fprintf(stderr, "%s: %s; %s\n", what, hf_error_text(hf), hf_error_remedy(hf));
	return 1;
}

static int sign(struct hf *hf)
{
	static const char MESSAGE[] = "what is to be signed";
	const struct hf_sign request = {.key = KEY};
	char *public_pem;
	void *signature;
	size_t len;
	int r;

	/* The key of an earlier run is as good. */
	r = hf_key_create(hf, KEY, "ecc-p256", 0, NULL);
	if (r < 0 && r != HF_CONFLICT)
		return failed(hf, "key");
	if (hf_key_public(hf, KEY, &public_pem) < 0)
		return failed(hf, "key");
	printf("%s", public_pem);
	hf_free(public_pem);
	if (hf_sign_message(hf, &request, MESSAGE, strlen(MESSAGE), &signature, &len) < 0)
		return failed(hf, "sign");
	printf("signed: %zu bytes, protected by %s\n", len, hf_protection(hf));
	hf_free(signature);
	return 0;
}

static int seal(struct hf *hf)
{
	void *blob, *data;
	size_t blob_len, len;
	int same;

	if (hf_seal(hf, SECRET, strlen(SECRET), &blob, &blob_len) < 0)
		return failed(hf, "seal");
	/* The blob may lie anywhere: only this tenant of this device opens it. */
	if (hf_unseal(hf, blob, blob_len, &data, &len) < 0) {
		hf_free(blob);
		return failed(hf, "unseal");
	}
	same = len == strlen(SECRET) && memcmp(data, SECRET, len) == 0;
	hf_free(blob);
	hf_free(data);
	printf("sealed and unsealed: %s\n", same ? "the same" : "not the same");
	return !same;
}

/* @nonce is what the one who checks the quote has sent, so that it cannot be an old one. */
static int quote(struct hf *hf, const char *nonce)
{
	const struct hf_quote request = {.aik = KEY, .nonce = nonce, .nonce_len = strlen(nonce)};
	struct hf_attestation *attestation;
	int r;

	r = hf_aik_create(hf, KEY, NULL, NULL, NULL);
	if (r == HF_TPM_REQUIRED) {
		printf("no quote: no TPM is in use\n");
		return 0;
	}
	if (r < 0 && r != HF_CONFLICT)
		return failed(hf, "attestation key");
	if (hf_aik_quote(hf, &request, &attestation) < 0)
		return failed(hf, "quote");
	printf("quoted: %zu bytes, signed by %zu\n", attestation->attest_len,
	       attestation->signature_len);
	hf_attestation_free(attestation);
	return 0;
}

int main(void)
{
	struct hf *hf;
	int status;

	/* NULL: $HOLDFAST_SOCKET, else /run/holdfast/holdfast.sock */
	if (hf_open(NULL, &hf) < 0)
		return 1;
	status = sign(hf);
	if (status == 0)
		status = seal(hf);
	if (status == 0)
		status = quote(hf, "a fresh nonce");
	hf_close(hf);
	return status;
}
