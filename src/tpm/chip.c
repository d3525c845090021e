/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One function per TPM command: prepare by SYS, run in our session, take the answer. Here what
 * works on objects; chip_facts.c reads, chip_context.c moves, chip_session.c starts sessions.
 */

#include <string.h>

#include "tpm/impl.h"

struct slice chip_handle_name(uint32_t handle, uint8_t ret_bytes[4])
{
	for (int i = 0; i < 4; i++)
		ret_bytes[i] = (uint8_t)(handle >> (24 - 8 * i));
	return slice_of(ret_bytes, 4);
}

TSS2_RC chip_startup(struct engine *engine)
{
	struct command command = {.code = TPM2_CC_Startup};
	TSS2_RC rc = Tss2_Sys_Startup_Prepare(engine->line.sys, TPM2_SU_CLEAR);

	if (!rc)
		rc = command_run(&engine->line, &command);
	/* Somebody, usually the kernel or the firmware, has started it already. */
	return rc == TPM2_RC_INITIALIZE ? TSS2_RC_SUCCESS : rc;
}

TSS2_RC chip_shutdown(struct engine *engine)
{
	struct command command = {.code = TPM2_CC_Shutdown};
	TSS2_RC rc = Tss2_Sys_Shutdown_Prepare(engine->line.sys, TPM2_SU_CLEAR);

	return rc ? rc : command_run(&engine->line, &command);
}

static TSS2_RC read_public(struct engine *engine, uint32_t handle, const struct command *command,
			   TPM2B_PUBLIC *ret_public, struct engine_name *ret_qualified)
{
	TPM2B_PUBLIC public = {0};
	TPM2B_NAME name = {0}, qualified = {0};
	TSS2_RC rc = Tss2_Sys_ReadPublic_Prepare(engine->line.sys, handle);

	if (!rc)
		rc = command_run(&engine->line, command);
	if (!rc)
		rc = Tss2_Sys_ReadPublic_Complete(engine->line.sys, &public, &name, &qualified);
	if (!rc && qualified.size > sizeof(ret_qualified->bytes))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (rc)
		return rc;
	*ret_public = public;
	ret_qualified->len = qualified.size;
	memcpy(ret_qualified->bytes, qualified.name, qualified.size);
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_read_public(struct engine *engine, uint32_t handle, TPM2B_PUBLIC *ret_public)
{
	const struct command command = {.code = TPM2_CC_ReadPublic};
	struct engine_name unused;

	return read_public(engine, handle, &command, ret_public, &unused);
}

bool chip_is_well(struct engine *engine)
{
	TPM2B_PUBLIC unused;

	return !chip_read_public(engine, engine->srk.handle, &unused);
}

TSS2_RC chip_read_qualified(struct engine *engine, const struct root *object,
			    TPM2B_PUBLIC *ret_public, struct engine_name *ret_qualified)
{
	const struct command command = {
		.code = TPM2_CC_ReadPublic,
		.names = {name_slice(&object->name)},
		.name_count = 1,
		.covered = true,
	};

	return read_public(engine, object->handle, &command, ret_public, ret_qualified);
}

/* Under its Name a salt will go to this public area, or it is taken for what was asked for. */
static TSS2_RC check_primary(const TPM2B_PUBLIC *public, const struct engine_name *name,
			     struct err *fault)
{
	struct engine_name computed;

	if (public_name(public, &computed, fault) < 0)
		return COMMAND_OURS;
	return name_equal(&computed, name) ? TSS2_RC_SUCCESS : TSS2_SYS_RC_MALFORMED_RESPONSE;
}

/* No HMAC covers the handle in an answer, so this is all that can be said of it. */
static TSS2_RC take_root(uint32_t handle, const TPM2B_NAME *name, struct root *ret_root)
{
	if (name->size > sizeof(ret_root->name.bytes) || !chip_is_of(handle, GROUP_TRANSIENT))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	ret_root->handle = handle;
	ret_root->name.len = name->size;
	memcpy(ret_root->name.bytes, name->name, name->size);
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_load(struct engine *engine, const struct root *parent, struct slice parent_auth,
		  const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private, struct root *ret_loaded)
{
	struct command command = {
		.code = TPM2_CC_Load,
		.names = {name_slice(&parent->name)},
		.name_count = 1,
		.authorised = true,
		.auth = parent_auth,
		.answer_handles = 1,
	};
	TPM2B_NAME name = {0};
	TPM2_HANDLE handle = 0;
	TSS2_RC rc;

	rc = Tss2_Sys_Load_Prepare(engine->line.sys, parent->handle, private, public);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Load_Complete(engine->line.sys, &handle, &name);
	return rc ? rc : take_root(handle, &name, ret_loaded);
}

static TSS2_RC put_sensitive(const struct chip_create *create, TPM2B_SENSITIVE_CREATE *sensitive)
{
	TPMS_SENSITIVE_CREATE *in = &sensitive->sensitive;

	if (create->auth.len > sizeof(in->userAuth.buffer) ||
	    create->data.len > sizeof(in->data.buffer))
		return TSS2_SYS_RC_BAD_VALUE;
	in->userAuth.size = (UINT16)create->auth.len;
	if (create->auth.len)
		memcpy(in->userAuth.buffer, create->auth.data, create->auth.len);
	in->data.size = (UINT16)create->data.len;
	if (create->data.len)
		memcpy(in->data.buffer, create->data.data, create->data.len);
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_create(struct engine *engine, const struct chip_create *create,
		    TPM2B_PUBLIC *ret_public, TPM2B_PRIVATE *ret_private)
{
	struct command command = {
		.code = TPM2_CC_Create,
		.names = {name_slice(&create->parent->name)},
		.name_count = 1,
		.authorised = true,
		.auth = create->parent_auth,
		.secret_in = true,
	};
	TPM2B_SENSITIVE_CREATE sensitive = {0};
	TPM2B_CREATION_DATA creation = {0};
	TPMT_TK_CREATION ticket = {0};
	TPM2B_DIGEST hash = {0};
	TPM2B_DATA outside = {0};
	TPML_PCR_SELECTION pcrs = {0};
	TPM2B_PUBLIC public = {0};
	TPM2B_PRIVATE private = {0};
	TSS2_RC rc;

	rc = put_sensitive(create, &sensitive);
	if (!rc)
		rc = Tss2_Sys_Create_Prepare(engine->line.sys, create->parent->handle, &sensitive,
					     create->template, &outside, &pcrs);
	wipe(&sensitive, sizeof(sensitive));
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Create_Complete(engine->line.sys, &private, &public, &creation, &hash,
					      &ticket);
	if (!rc) {
		*ret_public = public;
		*ret_private = private;
	}
	line_wipe(&engine->line);
	return rc;
}

TSS2_RC chip_create_primary(struct engine *engine, const struct chip_primary *primary,
			    struct root *ret_root, TPM2B_PUBLIC *ret_public)
{
	uint8_t name_of_hierarchy[4];
	struct command command = {
		.code = TPM2_CC_CreatePrimary,
		.names = {chip_handle_name(primary->hierarchy, name_of_hierarchy)},
		.name_count = 1,
		.authorised = true,
		.auth = primary->auth,
		.answer_handles = 1,
	};
	TPM2B_SENSITIVE_CREATE sensitive = {0};
	TPM2B_CREATION_DATA creation = {0};
	TPMT_TK_CREATION ticket = {0};
	TPM2B_DIGEST hash = {0};
	TPM2B_DATA outside = {0};
	TPML_PCR_SELECTION pcrs = {0};
	TPM2B_PUBLIC public = {0};
	TPM2B_NAME name = {0};
	TPM2_HANDLE handle = 0;
	TSS2_RC rc;

	rc = Tss2_Sys_CreatePrimary_Prepare(engine->line.sys, primary->hierarchy, &sensitive,
					    primary->template, &outside, &pcrs);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_CreatePrimary_Complete(engine->line.sys, &handle, &public, &creation,
						     &hash, &ticket, &name);
	if (!rc)
		rc = take_root(handle, &name, ret_root);
	if (!rc)
		rc = check_primary(&public, &ret_root->name, &engine->line.fault);
	if (!rc)
		*ret_public = public;
	return rc;
}

TSS2_RC chip_persist(struct engine *engine, const struct root *object, uint32_t handle)
{
	uint8_t name_of_owner[4];
	struct command command = {
		.code = TPM2_CC_EvictControl,
		.names = {chip_handle_name(TPM2_RH_OWNER, name_of_owner),
			  name_slice(&object->name)},
		.name_count = 2,
		.authorised = true,
		.auth = engine_auth(engine->owner_auth),
	};
	TSS2_RC rc;

	rc = Tss2_Sys_EvictControl_Prepare(engine->line.sys, TPM2_RH_OWNER, object->handle, handle);
	return rc ? rc : command_run(&engine->line, &command);
}

TSS2_RC chip_lockout_reset(struct engine *engine)
{
	uint8_t name_of_lockout[4];
	struct command command = {
		.code = TPM2_CC_DictionaryAttackLockReset,
		.names = {chip_handle_name(TPM2_RH_LOCKOUT, name_of_lockout)},
		.name_count = 1,
		.authorised = true,
		.auth = engine_auth(engine->lockout_auth),
	};
	TSS2_RC rc;

	rc = Tss2_Sys_DictionaryAttackLockReset_Prepare(engine->line.sys, TPM2_RH_LOCKOUT);
	return rc ? rc : command_run(&engine->line, &command);
}

TSS2_RC chip_clear(struct engine *engine)
{
	uint8_t name_of_lockout[4];
	struct command command = {
		.code = TPM2_CC_Clear,
		.names = {chip_handle_name(TPM2_RH_LOCKOUT, name_of_lockout)},
		.name_count = 1,
		.authorised = true,
		.auth = engine_auth(engine->lockout_auth),
		.empties = true,
	};
	TSS2_RC rc = Tss2_Sys_Clear_Prepare(engine->line.sys, TPM2_RH_LOCKOUT);

	return rc ? rc : command_run(&engine->line, &command);
}
