/* SPDX-License-Identifier: Apache-2.0 */

/* What sits in the chip for a while: contexts out and in, and out for good. */

#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

TSS2_RC chip_flush(struct engine *engine, uint32_t handle)
{
	struct command command = {.code = TPM2_CC_FlushContext};
	TSS2_RC rc = Tss2_Sys_FlushContext_Prepare(engine->line.sys, handle);

	return rc ? rc : command_run(&engine->line, &command);
}

TSS2_RC chip_flush_group(struct engine *engine, uint32_t group)
{
	struct chip_handles handles;
	TSS2_RC rc = chip_handles(engine, group, &handles);
	size_t i;

	for (i = 0; !rc && i < handles.count; i++) {
		if (guests_have(engine, handles.handle[i]))
			continue;
		rc = chip_flush(engine, handles.handle[i]);
		if (rc_base(rc) == TPM2_RC_HANDLE && !rc_is_layer(rc))
			rc = TSS2_RC_SUCCESS; /* gone meanwhile */
	}
	return rc;
}

TSS2_RC chip_context_save(struct engine *engine, uint32_t handle, struct buf *ret_context)
{
	struct command command = {.code = TPM2_CC_ContextSave};
	uint8_t bytes[sizeof(TPMS_CONTEXT)];
	TPMS_CONTEXT context = {0};
	size_t len = 0;
	TSS2_RC rc = Tss2_Sys_ContextSave_Prepare(engine->line.sys, handle);

	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ContextSave_Complete(engine->line.sys, &context);
	/* What it comes back as is compared with this. */
	if (!rc && !chip_is_of(context.savedHandle, handle & GROUP_MASK))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		rc = Tss2_MU_TPMS_CONTEXT_Marshal(&context, bytes, sizeof(bytes), &len);
	if (rc)
		return rc;
	buf_reset(ret_context);
	buf_put(ret_context, slice_of(bytes, len));
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_context_load(struct engine *engine, struct slice context, uint32_t *ret_handle)
{
	struct command command = {.code = TPM2_CC_ContextLoad};
	TPMI_DH_CONTEXT handle = 0;
	TPMS_CONTEXT parsed = {0};
	size_t at = 0;
	TSS2_RC rc;

	rc = Tss2_MU_TPMS_CONTEXT_Unmarshal(context.data, context.len, &at, &parsed);
	if (!rc)
		rc = Tss2_Sys_ContextLoad_Prepare(engine->line.sys, &parsed);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ContextLoad_Complete(engine->line.sys, &handle);
	/* What was saved comes back as what it was; which number it gets is the chip's to say. */
	if (!rc && !chip_is_of(handle, parsed.savedHandle & GROUP_MASK))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		*ret_handle = handle;
	return rc;
}
