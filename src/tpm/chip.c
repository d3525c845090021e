/* SPDX-License-Identifier: Apache-2.0 */

/* One function per TPM command: prepare by SYS, run in our session, take the answer. */

#include <stdio.h>
#include <string.h>

#include "crypto/cipher.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define HANDLES_MAX 64u

/* The name of a hierarchy is its handle (Part 1, "Names"). */
static struct slice owner_name(void)
{
	static const uint8_t bytes[] = {0x40, 0x00, 0x00, 0x01};

	return slice_of(bytes, sizeof(bytes));
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

static TSS2_RC get_capability(struct engine *engine, TPM2_CAP capability, uint32_t property,
			      uint32_t count, TPMS_CAPABILITY_DATA *ret_data)
{
	struct command command = {.code = TPM2_CC_GetCapability};
	TPMI_YES_NO more;
	TSS2_RC rc;

	rc = Tss2_Sys_GetCapability_Prepare(engine->line.sys, capability, property, count);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_GetCapability_Complete(engine->line.sys, &more, ret_data);
	return rc;
}

static void facts_take(struct engine_facts *facts, const TPMS_TAGGED_PROPERTY *property,
		       uint32_t firmware[2])
{
	uint32_t v = property->value;

	switch (property->property) {
	case TPM2_PT_MANUFACTURER:
		facts->manufacturer[0] = (char)(v >> 24);
		facts->manufacturer[1] = (char)(v >> 16);
		facts->manufacturer[2] = (char)(v >> 8);
		facts->manufacturer[3] = (char)v;
		break;
	case TPM2_PT_FIRMWARE_VERSION_1:
		firmware[0] = v;
		break;
	case TPM2_PT_FIRMWARE_VERSION_2:
		firmware[1] = v;
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

/* The maker's four letters end up in JSON and logs. */
static void printable(char *text)
{
	size_t i, end = 0;

	for (i = 0; i < 4; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = ' ';
		if (text[i] != ' ')
			end = i + 1;
	}
	text[end] = '\0';
}

TSS2_RC chip_facts(struct engine *engine)
{
	static const uint32_t properties[] = {TPM2_PT_FIXED, TPM2_PT_VAR};
	struct engine_facts facts = engine->facts;
	TPMS_CAPABILITY_DATA data = {0};
	uint32_t firmware[2] = {0};
	TSS2_RC rc;
	size_t i, k;

	for (i = 0; i < ARRAY_LEN(properties); i++) {
		rc = get_capability(engine, TPM2_CAP_TPM_PROPERTIES, properties[i],
				    TPM2_MAX_TPM_PROPERTIES, &data);
		if (rc)
			return rc;
		if (data.capability != TPM2_CAP_TPM_PROPERTIES)
			return TSS2_SYS_RC_MALFORMED_RESPONSE;
		for (k = 0; k < data.data.tpmProperties.count; k++)
			facts_take(&facts, &data.data.tpmProperties.tpmProperty[k], firmware);
	}
	printable(facts.manufacturer);
	snprintf(facts.firmware, sizeof(facts.firmware), "%08x.%08x", firmware[0], firmware[1]);
	engine->facts = facts;
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_flush(struct engine *engine, uint32_t handle)
{
	struct command command = {.code = TPM2_CC_FlushContext};
	TSS2_RC rc = Tss2_Sys_FlushContext_Prepare(engine->line.sys, handle);

	return rc ? rc : command_run(&engine->line, &command);
}

/* Transient objects, loaded sessions, saved sessions: Part 3, TPM2_GetCapability. */
static const uint32_t groups[] = {0x80000000u, 0x02000000u, 0x03000000u};

/* A killed owner leaves its objects and sessions behind in a bare chip. */
TSS2_RC chip_flush_all(struct engine *engine, bool saved_too)
{
	TPMS_CAPABILITY_DATA data = {0};
	TSS2_RC rc;
	size_t i, k;

	for (i = 0; i < ARRAY_LEN(groups) - (saved_too ? 0 : 1); i++) {
		rc = get_capability(engine, TPM2_CAP_HANDLES, groups[i], HANDLES_MAX, &data);
		if (rc)
			return rc;
		if (data.capability != TPM2_CAP_HANDLES)
			return TSS2_SYS_RC_MALFORMED_RESPONSE;
		for (k = 0; k < data.data.handles.count && k < HANDLES_MAX; k++) {
			rc = chip_flush(engine, data.data.handles.handle[k]);
			if (rc && rc_base(rc) != TPM2_RC_HANDLE)
				return rc;
		}
	}
	return TSS2_RC_SUCCESS;
}

TSS2_RC chip_read_public(struct engine *engine, uint32_t handle, TPM2B_PUBLIC *ret_public)
{
	struct command command = {.code = TPM2_CC_ReadPublic};
	TPM2B_PUBLIC public = {0};
	TPM2B_NAME name = {0}, qualified = {0};
	TSS2_RC rc = Tss2_Sys_ReadPublic_Prepare(engine->line.sys, handle);

	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ReadPublic_Complete(engine->line.sys, &public, &name, &qualified);
	if (!rc)
		*ret_public = public;
	return rc;
}

static TSS2_RC take_root(uint32_t handle, const TPM2B_NAME *name, struct root *ret_root)
{
	if (name->size > sizeof(ret_root->name.bytes))
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

TSS2_RC chip_create_srk(struct engine *engine, const TPM2B_PUBLIC *template, struct root *ret_root,
			TPM2B_PUBLIC *ret_public)
{
	struct command command = {
		.code = TPM2_CC_CreatePrimary,
		.names = {owner_name()},
		.name_count = 1,
		.authorised = true,
		.auth = engine_auth(engine->owner_auth),
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

	rc = Tss2_Sys_CreatePrimary_Prepare(engine->line.sys, TPM2_RH_OWNER, &sensitive, template,
					    &outside, &pcrs);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_CreatePrimary_Complete(engine->line.sys, &handle, &public, &creation,
						     &hash, &ticket, &name);
	if (!rc)
		rc = take_root(handle, &name, ret_root);
	if (!rc)
		*ret_public = public;
	return rc;
}

TSS2_RC chip_persist(struct engine *engine, const struct root *object, uint32_t handle)
{
	struct command command = {
		.code = TPM2_CC_EvictControl,
		.names = {owner_name(), name_slice(&object->name)},
		.name_count = 2,
		.authorised = true,
		.auth = engine_auth(engine->owner_auth),
	};
	TSS2_RC rc;

	rc = Tss2_Sys_EvictControl_Prepare(engine->line.sys, TPM2_RH_OWNER, object->handle, handle);
	return rc ? rc : command_run(&engine->line, &command);
}

/* Part 1, C.6.4: the ephemeral point goes to the chip, both sides derive the salt from the other.
 */
static int make_salt_ecc(const struct pkey *key, const TPM2B_PUBLIC *public,
			 uint8_t salt[SESSION_HASH_SIZE], struct buf *ret_sealed, struct err *err)
{
	const TPM2B_ECC_PARAMETER *x = &public->publicArea.unique.ecc.x;
	struct pkey_ecdh ecdh = {0};
	struct hash_kdfe kdf = {
		.alg = HASH_SHA256,
		.use = "SECRET",
		.party_v = slice_of(x->buffer, x->size),
		.bits = SESSION_HASH_SIZE * 8,
	};
	int r = pkey_ecdh_ephemeral(key, &ecdh, err);

	if (r < 0)
		return r;
	kdf.z = slice_of(ecdh.z, ecdh.size);
	kdf.party_u = slice_of(ecdh.x, ecdh.size);
	r = hash_kdfe(&kdf, salt, err);
	wipe(ecdh.z, sizeof(ecdh.z));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.x, ecdh.size));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.y, ecdh.size));
	return r;
}

/* Part 1, B.10.2. */
static int make_salt_rsa(const struct pkey *key, uint8_t salt[SESSION_HASH_SIZE],
			 struct buf *ret_sealed, struct err *err)
{
	int r = cipher_random(salt, SESSION_HASH_SIZE, err);

	if (r < 0)
		return r;
	return pkey_oaep_encrypt(key, HASH_SHA256, "SECRET", slice_of(salt, SESSION_HASH_SIZE),
				 ret_sealed, err);
}

/* A secret that only the holder of the key can read. */
static int make_salt(const TPM2B_PUBLIC *public, uint8_t salt[SESSION_HASH_SIZE],
		     TPM2B_ENCRYPTED_SECRET *ret_sealed, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(sizeof(ret_sealed->secret));
	int r = public_to_pkey(public, &key, err);

	if (r < 0)
		return r;
	r = pkey_type_is_rsa(pkey_type(key)) ? make_salt_rsa(key, salt, &sealed, err)
					     : make_salt_ecc(key, public, salt, &sealed, err);
	if (r < 0)
		return r;
	if (!buf_ok(&sealed))
		return err_set(err, ERR_INTERNAL, "a session salt does not fit");
	ret_sealed->size = (UINT16)sealed.len;
	memcpy(ret_sealed->secret, sealed.data, sealed.len);
	return 0;
}

TSS2_RC chip_start_session(struct engine *engine, const struct root *salt_key,
			   const TPM2B_PUBLIC *public)
{
	struct command command = {.code = TPM2_CC_StartAuthSession};
	TPMT_SYM_DEF symmetric = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TPM2B_NONCE caller = {.size = SESSION_HASH_SIZE}, tpm = {0};
	TPM2B_ENCRYPTED_SECRET sealed = {0};
	uint8_t salt[SESSION_HASH_SIZE] = {0};
	TPMI_SH_AUTH_SESSION handle = 0;
	struct err *fault = &engine->line.fault;
	TSS2_RC rc;

	session_fini(&engine->line.session);
	if (cipher_random(caller.buffer, caller.size, fault) < 0 ||
	    (salt_key && make_salt(public, salt, &sealed, fault) < 0))
		return COMMAND_OURS;
	rc = Tss2_Sys_StartAuthSession_Prepare(
		engine->line.sys, salt_key ? salt_key->handle : TPM2_RH_NULL, TPM2_RH_NULL, &caller,
		&sealed, TPM2_SE_HMAC, &symmetric, TPM2_ALG_SHA256);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_StartAuthSession_Complete(engine->line.sys, &handle, &tpm);
	if (!rc && session_begin(&engine->line.session, handle,
				 slice_of(salt, salt_key ? sizeof(salt) : 0),
				 slice_of(caller.buffer, caller.size),
				 slice_of(tpm.buffer, tpm.size), fault) < 0)
		rc = COMMAND_OURS;
	wipe(salt, sizeof(salt));
	return rc;
}
