/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Platform configuration registers. A chip gives eight at a time, and whoever measures meanwhile
 * changes them: its update counter tells. A read carries no authorisation, so nothing proves a
 * value but a quote.
 */

#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

#define SELECT_SIZE (ENGINE_PCRS / 8u)
#define ALL_PCRS    ((UINT32_C(1) << ENGINE_PCRS) - 1u)

static uint32_t mask_of(const TPMS_PCR_SELECTION *bank)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < bank->sizeofSelect && i < SELECT_SIZE; i++)
		mask |= (uint32_t)bank->pcrSelect[i] << 8 * i;
	return mask;
}

static void selection_write(const struct engine_pcrs *pcrs, TPML_PCR_SELECTION *ret_selection)
{
	memset(ret_selection, 0, sizeof(*ret_selection));
	ret_selection->count = (uint32_t)pcrs->count;
	for (size_t i = 0; i < pcrs->count; i++) {
		TPMS_PCR_SELECTION *bank = &ret_selection->pcrSelections[i];

		bank->hash = public_hash_id(pcrs->banks[i].hash);
		bank->sizeofSelect = SELECT_SIZE;
		for (size_t b = 0; b < SELECT_SIZE; b++)
			bank->pcrSelect[b] = (uint8_t)(pcrs->banks[i].mask >> 8 * b);
	}
}

/* The number of the bank, or count. */
static size_t bank_find(const struct engine_pcrs *pcrs, TPMI_ALG_HASH id)
{
	size_t i = 0;

	while (i < pcrs->count && public_hash_id(pcrs->banks[i].hash) != id)
		i++;
	return i;
}

bool pcr_same(const struct engine_pcrs *wanted, const TPML_PCR_SELECTION *selection)
{
	if (selection->count != wanted->count)
		return false;
	for (size_t i = 0; i < wanted->count; i++)
		if (selection->pcrSelections[i].hash != public_hash_id(wanted->banks[i].hash) ||
		    mask_of(&selection->pcrSelections[i]) != wanted->banks[i].mask)
			return false;
	return true;
}

/* --- banks --------------------------------------------------------------------------------- */

static void banks_take(const TPML_PCR_SELECTION *allocated, struct engine_pcrs *ret_banks)
{
	struct engine_pcrs banks = {0};
	struct err ignored;
	enum hash_alg hash;

	for (size_t i = 0; i < allocated->count && banks.count < ENGINE_BANKS; i++) {
		const TPMS_PCR_SELECTION *bank = &allocated->pcrSelections[i];
		uint32_t mask = mask_of(bank) & ALL_PCRS;

		if (!mask || public_hash_of_id(bank->hash, &hash, &ignored) < 0 ||
		    bank_find(&banks, bank->hash) < banks.count)
			continue;
		banks.banks[banks.count].hash = hash;
		banks.banks[banks.count++].mask = mask;
	}
	*ret_banks = banks;
}

static TSS2_RC banks_look(struct engine *engine)
{
	TPMS_CAPABILITY_DATA data = {0};
	TSS2_RC rc;

	if (engine->banks.count)
		return TSS2_RC_SUCCESS;
	rc = chip_capability(engine, TPM2_CAP_PCRS, 0, TPM2_NUM_PCR_BANKS, &data, NULL);
	if (!rc)
		banks_take(&data.data.assignedPCR, &engine->banks);
	return rc;
}

static TSS2_RC run_banks(struct engine *engine, void *arg)
{
	(void)arg;
	return banks_look(engine);
}

int engine_pcr_banks(struct engine *engine, struct engine_pcrs *ret_banks, struct err *err)
{
	const struct engine_op op = {.what = "listing the PCR banks", .run = run_banks};
	int r = engine_do(engine, &op, err);

	if (r == 0)
		*ret_banks = engine->banks;
	return r;
}

TSS2_RC pcr_select(struct engine *engine, const struct engine_pcrs *wanted,
		   TPML_PCR_SELECTION *ret_selection)
{
	TSS2_RC rc = banks_look(engine);

	for (size_t i = 0; i < wanted->count && !rc; i++) {
		size_t at = bank_find(&engine->banks, public_hash_id(wanted->banks[i].hash));

		if (at < engine->banks.count &&
		    !(wanted->banks[i].mask & ~engine->banks.banks[at].mask))
			continue;
		(void)err_set(&engine->line.fault, ERR_INVALID, "the TPM has no such %s PCRs",
			      hash_name(wanted->banks[i].hash));
		rc = COMMAND_OURS;
	}
	if (!rc)
		selection_write(wanted, ret_selection);
	return rc;
}

/* --- values -------------------------------------------------------------------------------- */

struct reading {
	struct engine_pcrs left; /* still to come; banks as in the values */
	struct engine_pcr_values values;
};

static TSS2_RC chip_pcr_read(struct engine *engine, const struct engine_pcrs *wanted,
			     uint32_t *ret_counter, TPML_PCR_SELECTION *ret_selection,
			     TPML_DIGEST *ret_digests)
{
	struct command command = {.code = TPM2_CC_PCR_Read};
	TPML_PCR_SELECTION selection;
	TSS2_RC rc;

	selection_write(wanted, &selection);
	rc = Tss2_Sys_PCR_Read_Prepare(engine->line.sys, &selection);
	if (!rc)
		rc = command_run(&engine->line, &command);
	return rc ? rc
		  : Tss2_Sys_PCR_Read_Complete(engine->line.sys, ret_counter, ret_selection,
					       ret_digests);
}

/* The digests of one bank, in the order of its bits. */
static bool take_bank(struct reading *reading, const TPMS_PCR_SELECTION *bank,
		      const TPML_DIGEST *digests, size_t *at)
{
	size_t b = bank_find(&reading->left, bank->hash);
	uint32_t mask = mask_of(bank);

	if (!mask)
		return true;
	if (b == reading->left.count || mask & ~reading->left.banks[b].mask)
		return false;
	for (size_t i = 0; i < ENGINE_PCRS; i++) {
		const TPM2B_DIGEST *digest = &digests->digests[*at];

		if (!(mask >> i & 1))
			continue;
		if (*at >= digests->count || digest->size != hash_size(reading->left.banks[b].hash))
			return false;
		memcpy(reading->values.digest[b][i], digest->buffer, digest->size);
		++*at;
	}
	reading->left.banks[b].mask &= ~mask;
	return true;
}

static bool is_done(const struct engine_pcrs *left)
{
	uint32_t any = 0;

	for (size_t i = 0; i < left->count; i++)
		any |= left->banks[i].mask;
	return any == 0;
}

/* One command; what it brings is something, of what was asked for, and no more. */
static TSS2_RC read_some(struct engine *engine, struct reading *reading, uint32_t *ret_counter)
{
	TPML_PCR_SELECTION selection = {0};
	TPML_DIGEST digests = {0};
	size_t at = 0;
	TSS2_RC rc = chip_pcr_read(engine, &reading->left, ret_counter, &selection, &digests);

	for (size_t i = 0; i < selection.count && !rc; i++)
		if (!take_bank(reading, &selection.pcrSelections[i], &digests, &at))
			rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc && (at == 0 || at != digests.count))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	return rc;
}

TSS2_RC pcr_restless(struct engine *engine)
{
	(void)err_set(&engine->line.fault, ERR_TPM_BUSY, "the PCRs change while they are read");
	return COMMAND_OURS;
}

/* All of them, with *ret_still false when they changed between two commands. */
static TSS2_RC read_round(struct engine *engine, struct reading *reading, bool *ret_still)
{
	uint32_t counter = 0;
	bool first = true;
	TSS2_RC rc;

	*ret_still = true;
	while (*ret_still && !is_done(&reading->left)) {
		rc = read_some(engine, reading, &counter);
		if (rc)
			return rc;
		*ret_still = first || counter == reading->values.update_counter;
		reading->values.update_counter = counter;
		first = false;
	}
	return TSS2_RC_SUCCESS;
}

TSS2_RC pcr_read(struct engine *engine, const struct engine_pcrs *wanted,
		 struct engine_pcr_values *ret_values)
{
	struct reading reading;
	bool still = false;
	TSS2_RC rc = TSS2_RC_SUCCESS;

	for (unsigned round = 0; round < PCR_ROUNDS && !rc && !still; round++) {
		reading = (struct reading){.left = *wanted, .values.pcrs = *wanted};
		rc = read_round(engine, &reading, &still);
	}
	if (!rc && !still)
		rc = pcr_restless(engine);
	if (!rc)
		*ret_values = reading.values;
	return rc;
}

struct op_read {
	const struct engine_pcrs *wanted;
	struct engine_pcr_values values;
};

static TSS2_RC run_read(struct engine *engine, void *arg)
{
	struct op_read *op = arg;
	TPML_PCR_SELECTION unused;
	TSS2_RC rc = pcr_select(engine, op->wanted, &unused);

	return rc ? rc : pcr_read(engine, op->wanted, &op->values);
}

int engine_read_pcrs(struct engine *engine, const struct engine_pcrs *wanted,
		     struct engine_pcr_values *ret_values, struct err *err)
{
	struct op_read read = {.wanted = wanted};
	const struct engine_op op = {.what = "reading PCRs", .run = run_read, .arg = &read};
	int r = engine_do(engine, &op, err);

	if (r == 0)
		*ret_values = read.values;
	return r;
}

/* Part 1, "Attesting to PCR": in the order of the selection, PCRs ascending. */
int pcr_digest(const struct engine_pcr_values *values, enum hash_alg alg,
	       uint8_t ret_digest[HASH_MAX_SIZE], struct err *err)
{
	struct slice parts[ENGINE_BANKS * ENGINE_PCRS];
	size_t n = 0;

	for (size_t b = 0; b < values->pcrs.count; b++)
		for (size_t i = 0; i < ENGINE_PCRS; i++)
			if (values->pcrs.banks[b].mask >> i & 1)
				parts[n++] = slice_of(values->digest[b][i],
						      hash_size(values->pcrs.banks[b].hash));
	return hash_digest(alg, parts, n, ret_digest, err);
}
