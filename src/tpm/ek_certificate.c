/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Certificates of endorsement keys. Makers define an index larger than what they write into it, so
 * what follows the certificate is padding; and the certificates of the issuers run through their
 * indices as one string of bytes.
 */

#include <stdio.h>

#include "crypto/certificate.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define CERTIFICATE_MAX 8192u
#define CHAIN_MAX	32768u

static void remark(struct engine *engine, uint32_t index, const char *why)
{
	snprintf(engine->eks.remark, sizeof(engine->eks.remark),
		 "what lies in NV index 0x%08x is not used: %.100s", index, why);
}

/*
 * What may not be read is not given; but a refused password is believed at the second time, as
 * engine_do() does it.
 */
static TSS2_RC read_index(struct engine *engine, uint32_t index, struct buf *ret_bytes)
{
	TSS2_RC rc = nv_read(engine, index, ret_bytes);
	bool first = rc_is_refusal(rc) && !engine->eks.unreadable;

	engine->eks.unreadable |= first;
	if (!rc || first || rc == COMMAND_OURS || rc_is_layer(rc) || rc_is_stale(rc) ||
	    rc_is_full(rc))
		return rc;
	remark(engine, index, "the TPM does not let it be read");
	buf_reset(ret_bytes);
	return TSS2_RC_SUCCESS;
}

/* Cuts the padding; empty when it is not the key's. */
static int judge(struct engine *engine, const struct ek *ek, struct buf *certificate,
		 struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	int r = public_to_pkey(&ek->public, &key, err);

	if (r < 0)
		return r;
	certificate->len = certificate_len(buf_slice(certificate));
	r = certificate_of(buf_slice(certificate), key, err);
	if (r != ERR_DAMAGED)
		return r;
	remark(engine, ek->row->certificate, err->text);
	buf_reset(certificate);
	return 0;
}

static TSS2_RC chain_read(struct engine *engine, struct buf *ret_bytes)
{
	struct chip_handles indices = {0};
	TSS2_RC rc = chip_handles(engine, NV_CHAIN_FIRST, &indices);

	for (size_t i = 0; i < indices.count && !rc; i++)
		if (indices.handle[i] >= NV_CHAIN_FIRST && indices.handle[i] <= NV_CHAIN_LAST)
			rc = read_index(engine, indices.handle[i], ret_bytes);
	return rc;
}

/* As many whole certificates as it begins with. */
static void chain_cut(struct engine *engine, struct buf *chain)
{
	struct slice rest = buf_slice(chain);
	struct err err;
	size_t len;

	for (;;) {
		len = certificate_len(rest);
		if (len == 0 || certificate_check(slice_of(rest.data, len), &err) < 0)
			break;
		rest = slice_of(rest.data + len, rest.len - len);
	}
	if (rest.len && rest.len == chain->len)
		remark(engine, NV_CHAIN_FIRST, "no certificates");
	chain->len -= rest.len;
}

TSS2_RC ek_certify(struct engine *engine, struct ek *ek, const struct chip_handles *indices)
{
	CLEANUP(buf_fini) struct buf certificate = BUF_INIT(CERTIFICATE_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(CHAIN_MAX);
	struct err *fault = &engine->line.fault;
	TSS2_RC rc;

	if (!chip_handles_have(indices, ek->row->certificate))
		return TSS2_RC_SUCCESS;
	rc = read_index(engine, ek->row->certificate, &certificate);
	if (rc || !certificate.len)
		return rc;
	if (judge(engine, ek, &certificate, fault) < 0)
		return COMMAND_OURS;
	if (certificate.len == 0)
		return TSS2_RC_SUCCESS;
	rc = chain_read(engine, &chain);
	if (rc)
		return rc;
	chain_cut(engine, &chain);
	if (!buf_ok(&certificate) || !buf_ok(&chain)) {
		(void)err_set(fault, ERR_INTERNAL, "no room for the certificates of the TPM");
		return COMMAND_OURS;
	}
	buf_fini(&ek->certificate);
	buf_fini(&ek->chain);
	ek->certificate = certificate;
	ek->chain = chain;
	certificate = chain = (struct buf){0};
	return TSS2_RC_SUCCESS;
}
