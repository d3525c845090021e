/* SPDX-License-Identifier: Apache-2.0 */

/* What a chip says of itself. None of it decides anything but how many slots we take. */

#include <stdio.h>
#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

TSS2_RC chip_capability(struct engine *engine, TPM2_CAP capability, uint32_t property,
			uint32_t count, TPMS_CAPABILITY_DATA *ret_data, bool *ret_more)
{
	struct command command = {.code = TPM2_CC_GetCapability};
	TPMI_YES_NO more = TPM2_NO;
	TSS2_RC rc;

	rc = Tss2_Sys_GetCapability_Prepare(engine->line.sys, capability, property, count);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_GetCapability_Complete(engine->line.sys, &more, ret_data);
	if (!rc && ret_data->capability != capability)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (ret_more)
		*ret_more = more != TPM2_NO;
	return rc;
}

TSS2_RC chip_handles(struct engine *engine, uint32_t group, struct chip_handles *ret_handles)
{
	TPMS_CAPABILITY_DATA data = {0};
	const TPML_HANDLE *list = &data.data.handles;
	TSS2_RC rc = chip_capability(engine, TPM2_CAP_HANDLES, group, CHIP_HANDLES_MAX, &data,
				     &ret_handles->more);
	size_t i;

	if (rc)
		return rc;
	ret_handles->count = list->count < CHIP_HANDLES_MAX ? list->count : CHIP_HANDLES_MAX;
	for (i = 0; i < ret_handles->count; i++)
		ret_handles->handle[i] = list->handle[i];
	return TSS2_RC_SUCCESS;
}

/* --- properties ---------------------------------------------------------------------------- */

static void manufacturer_take(struct engine_facts *facts, uint32_t v)
{
	size_t i, end = 0;

	/* The maker's four letters end up in JSON and logs. */
	for (i = 0; i < 4; i++) {
		char c = (char)(v >> (24 - 8 * i));

		facts->manufacturer[i] = c < 0x20 || c > 0x7e ? ' ' : c;
		if (facts->manufacturer[i] != ' ')
			end = i + 1;
	}
	facts->manufacturer[end] = '\0';
}

static void property_take(struct engine_facts *facts, const TPMS_TAGGED_PROPERTY *property,
			  uint32_t firmware[2])
{
	uint32_t v = property->value;

	switch (property->property) {
	case TPM2_PT_MANUFACTURER:
		manufacturer_take(facts, v);
		break;
	case TPM2_PT_FIRMWARE_VERSION_1:
		firmware[0] = v;
		break;
	case TPM2_PT_FIRMWARE_VERSION_2:
		firmware[1] = v;
		break;
	case TPM2_PT_HR_TRANSIENT_MIN:
		facts->object_slots = slots_capacity(v);
		break;
	case TPM2_PT_HR_LOADED_MIN:
		facts->session_slots = slots_capacity(v);
		break;
	case TPM2_PT_ACTIVE_SESSIONS_MAX:
		facts->sessions_max = v;
		break;
	case TPM2_PT_CONTEXT_GAP_MAX:
		facts->context_gap = v;
		break;
	case TPM2_PT_NV_BUFFER_MAX:
		facts->nv_buffer = v;
		break;
	case TPM2_PT_PERMANENT:
		facts->in_lockout = (v & TPMA_PERMANENT_INLOCKOUT) != 0;
		break;
	case TPM2_PT_LOCKOUT_COUNTER:
		facts->lockout_counter = v;
		break;
	case TPM2_PT_MAX_AUTH_FAIL:
		facts->lockout_max = v;
		break;
	case TPM2_PT_LOCKOUT_INTERVAL:
		facts->lockout_interval = v;
		break;
	default:
		break;
	}
}

static TSS2_RC properties_take(struct engine *engine, uint32_t group, struct engine_facts *facts,
			       uint32_t firmware[2])
{
	TPMS_CAPABILITY_DATA data = {0};
	TSS2_RC rc;
	size_t i;

	rc = chip_capability(engine, TPM2_CAP_TPM_PROPERTIES, group, TPM2_MAX_TPM_PROPERTIES, &data,
			     NULL);
	for (i = 0; !rc && i < data.data.tpmProperties.count; i++)
		property_take(facts, &data.data.tpmProperties.tpmProperty[i], firmware);
	return rc;
}

TSS2_RC chip_lockout(struct engine *engine)
{
	struct engine_facts facts = engine->facts;
	uint32_t unused[2];
	TSS2_RC rc = properties_take(engine, TPM2_PT_VAR, &facts, unused);

	if (!rc)
		engine->facts = facts;
	return rc;
}

/* --- the rest ------------------------------------------------------------------------------ */

static TSS2_RC counts_take(struct engine *engine, struct engine_facts *facts)
{
	struct command command = {.code = TPM2_CC_ReadClock};
	TPMS_TIME_INFO now = {0};
	TSS2_RC rc = Tss2_Sys_ReadClock_Prepare(engine->line.sys);

	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ReadClock_Complete(engine->line.sys, &now);
	facts->reset_count = now.clockInfo.resetCount;
	facts->restart_count = now.clockInfo.restartCount;
	return rc;
}

TSS2_RC chip_counts(struct engine *engine)
{
	struct engine_facts facts = engine->facts;
	TSS2_RC rc = counts_take(engine, &facts);

	if (!rc)
		engine->facts = facts;
	return rc;
}

/* Where TCG's provisioning guidance puts endorsement keys: RSA, ECC. */
static TSS2_RC ek_take(struct engine *engine, struct engine_facts *facts)
{
	static const uint32_t handles[] = {0x81010001u, 0x81010016u};
	struct err ignored = {0};
	TPM2B_PUBLIC public;
	TSS2_RC rc = TSS2_RC_SUCCESS;
	size_t i;

	facts->ek_handle = 0;
	facts->ek.len = 0;
	for (i = 0; i < ARRAY_LEN(handles) && !facts->ek_handle && !rc_is_layer(rc); i++) {
		rc = chip_read_public(engine, handles[i], &public);
		if (!rc && public_name(&public, &facts->ek, &ignored) == 0)
			facts->ek_handle = handles[i];
	}
	return rc;
}

TSS2_RC chip_facts(struct engine *engine)
{
	static const uint32_t groups[] = {TPM2_PT_FIXED, TPM2_PT_VAR};
	struct engine_facts facts = engine->facts;
	uint32_t firmware[2] = {0};
	TSS2_RC rc = TSS2_RC_SUCCESS;
	size_t i;

	facts.object_slots = facts.session_slots = slots_capacity(0);
	for (i = 0; i < ARRAY_LEN(groups) && !rc; i++)
		rc = properties_take(engine, groups[i], &facts, firmware);
	if (rc)
		return rc;
	snprintf(facts.firmware, sizeof(facts.firmware), "%08x.%08x", firmware[0], firmware[1]);
	rc = counts_take(engine, &facts);
	if (!rc_is_layer(rc))
		rc = ek_take(engine, &facts);
	/* A chip that will not tell these serves all the same. */
	if (rc_is_layer(rc))
		return rc;
	engine->facts = facts;
	return TSS2_RC_SUCCESS;
}
