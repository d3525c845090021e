/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/evidence.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"

#define REMEDY_NAME "Do not trust the key: it is not the one that was certified."

void evidence_fini(struct evidence *evidence)
{
	buf_fini(&evidence->attest);
	buf_fini(&evidence->signature);
	buf_fini(&evidence->public);
	buf_fini(&evidence->event_log);
}

/* --- reading --- */

/* "0" to "23" without leading zeros. */
static bool pcr_of_text(const char *text, unsigned *ret_pcr)
{
	char *end;
	unsigned long pcr = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || (text[0] == '0' && text[1]) ||
	    pcr >= ATTEST_PCR_COUNT)
		return false;
	*ret_pcr = (unsigned)pcr;
	return true;
}

static int read_bank(const char *bank, json_t *object, struct attest_pcrs *values, struct err *err)
{
	enum hash_alg hash;
	const char *pcr_text;
	uint32_t unused;
	json_t *member;
	unsigned pcr;
	int r = hash_of_name(bank, &hash, err);

	if (r < 0 && strcmp(bank, "sha1") == 0) {
		hash = HASH_SHA1;
		r = 0;
	}
	if (r < 0)
		return err_wrap(err, "/pcrs");
	if (values->count == ATTEST_BANKS || attest_bank(values, hash, &unused))
		return err_set(err, ERR_INVALID, "/pcrs: too many banks");
	if (json_object_size(object) == 0)
		return err_set(err, ERR_INVALID, "/pcrs/%s: must be an object with values", bank);
	values->banks[values->count].hash = hash;
	json_object_foreach(object, pcr_text, member)
	{
		const char *hex = json_string_value(member);

		if (!pcr_of_text(pcr_text, &pcr) || !hex || strlen(hex) != 2 * hash_size(hash) ||
		    !hex_decode(slice_str(hex), values->banks[values->count].value[pcr],
				hash_size(hash)))
			return err_set(err, ERR_INVALID,
				       "/pcrs/%s: must give digests in hex of 0 to %u", bank,
				       ATTEST_PCR_COUNT - 1);
		values->banks[values->count].mask |= UINT32_C(1) << pcr;
	}
	values->count++;
	return 0;
}

static int read_values(const json_t *json, struct evidence *evidence, struct err *err)
{
	json_t *banks = json_object_get(json, "pcrs"), *object;
	const char *bank;
	int r;

	if (!banks || json_is_null(banks))
		return 0;
	json_object_foreach(banks, bank, object)
	{
		r = read_bank(bank, object, &evidence->values, err);
		if (r < 0)
			return r;
	}
	evidence->has_values = evidence->values.count > 0;
	return 0;
}

/* null is as good as absent. */
static int read_optional(const json_t *json, const char *name, struct buf *ret_bytes,
			 struct err *err)
{
	if (json_is_null(json_object_get(json, name)))
		return 0;
	return json_get_bytes(json, name, false, ret_bytes, err);
}

int evidence_read(struct slice text, struct evidence *ret_evidence, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(evidence_fini) struct evidence evidence = EVIDENCE_INIT;
	int r = json_parse(text, &json, err);

	if (r == 0)
		r = json_get_bytes(json, "attest", true, &evidence.attest, err);
	if (r == 0)
		r = json_get_bytes(json, "signature", true, &evidence.signature, err);
	if (r == 0)
		r = read_optional(json, "public", &evidence.public, err);
	if (r == 0)
		r = read_optional(json, "event_log", &evidence.event_log, err);
	if (r == 0)
		r = read_values(json, &evidence, err);
	if (r < 0)
		return r;
	*ret_evidence = evidence;
	evidence = (struct evidence)EVIDENCE_INIT;
	return 0;
}

/* --- judging --- */

/*
 * Every bank that the log has is held against the quoted values, and what was quoted must lie in
 * one of them at least.
 */
static int judge_log(const struct evidence *evidence, struct evidence_verdict *verdict,
		     struct err *err)
{
	const struct attest_pcrs *values = &evidence->values;
	uint32_t unexplained = 0, unused, quoted = 0, covered = 0;
	struct attest_pcrs replayed;
	size_t i;
	int r = eventlog_replay(buf_slice(&evidence->event_log), NULL, NULL, &replayed, err);

	for (i = 0; r == 0 && i < values->count; i++) {
		quoted |= values->banks[i].mask;
		if (!attest_bank(&replayed, values->banks[i].hash, &unused))
			continue;
		covered |= values->banks[i].mask;
		r = eventlog_compare(&replayed, values, values->banks[i].hash, &unexplained, err);
		if (r == 0 && unexplained)
			r = err_set(err, ERR_DAMAGED,
				    "the event log does not explain the %s PCRs of mask 0x%06x",
				    hash_name(values->banks[i].hash), (unsigned)unexplained);
	}
	if (r == 0 && quoted & ~covered)
		r = err_set(err, ERR_DAMAGED,
			    "the event log has no bank of the quoted PCRs of mask 0x%06x",
			    (unsigned)(quoted & ~covered));
	verdict->event_log = r == 0;
	return r;
}

/* A quote without values, or of no PCR, says nothing to whoever goes by the result alone. */
static int judge_quote(const struct evidence *evidence, struct evidence_verdict *verdict,
		       struct err *err)
{
	int r;

	if (!evidence->has_values)
		return err_set(err, ERR_INVALID,
			       "/pcrs: missing; the quote alone does not tell what was quoted");
	r = attest_check_pcrs(&verdict->statement, verdict->hash, &evidence->values, err);
	if (r < 0)
		return r;
	return evidence->event_log.len > 0 ? judge_log(evidence, verdict, err) : 0;
}

/* A Name is the hash's number and the hash of the public area without its length (Part 1, 16). */
static int check_public(struct slice public, struct slice name, struct err *err)
{
	struct cursor named = cursor_of(name), sized = cursor_of(public);
	uint8_t digest[HASH_MAX_SIZE];
	enum hash_alg hash;
	struct slice area;
	int r;

	if (!attest_hash_of_id(cursor_u16(&named), &hash))
		return err_set(err, ERR_NOT_SUPPORTED, "the Name is by an unknown hash");
	area = cursor_take(&sized, cursor_u16(&sized));
	if (!cursor_done(&sized))
		return err_set(err, ERR_INVALID, "/public: must be a TPM2B_PUBLIC");
	r = hash_digest(hash, &area, 1, digest, err);
	if (r < 0)
		return r;
	if (slice_equal(named.rest, slice_of(digest, hash_size(hash))))
		return 0;
	(void)err_set(err, ERR_DAMAGED, "/public is not of the key that was certified");
	return err_add_remedy(err, REMEDY_NAME);
}

static int judge_certify(const struct evidence *evidence, const struct evidence_expect *expect,
			 struct evidence_verdict *verdict, struct err *err)
{
	struct slice name = verdict->statement.name;
	int r;

	if (evidence->has_values || evidence->event_log.len > 0)
		return err_set(err, ERR_INVALID, "a certification says nothing of PCRs");
	if (!slice_equal(*expect->name, name)) {
		(void)err_set(err, ERR_DAMAGED, "another key was certified");
		return err_add_remedy(err, REMEDY_NAME);
	}
	if (evidence->public.len == 0)
		return 0;
	r = check_public(buf_slice(&evidence->public), name, err);
	verdict->public = r == 0;
	return r;
}

int evidence_judge(const struct evidence *evidence, const struct evidence_expect *expect,
		   struct evidence_verdict *ret_verdict, struct err *err)
{
	const struct attest_claim claim = {
		.attest = buf_slice(&evidence->attest),
		.signature = buf_slice(&evidence->signature),
		.nonce = expect->nonce,
	};
	struct evidence_verdict verdict = {0};
	int r = attest_check(&claim, expect->key, &verdict.statement, &verdict.hash, err);

	if (r < 0)
		return r;
	/* Who wants the one must not be content with the other. */
	if ((verdict.statement.kind == ATTEST_CERTIFY) != (expect->name != NULL))
		return err_set(err, ERR_INVALID,
			       expect->name ? "it is a quote, and names no key"
					    : "it is a certification and no quote; say with --name "
					      "of which key it must be");
	r = expect->name ? judge_certify(evidence, expect, &verdict, err)
			 : judge_quote(evidence, &verdict, err);
	if (r < 0)
		return r;
	*ret_verdict = verdict;
	return 0;
}
