/* SPDX-License-Identifier: Apache-2.0 */

/* NV indices that the chip's maker wrote. They are read in our session, so what comes is the
 * chip's: the index's Name is computed from its public area, and goes into the command's HMAC. */

#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

#define NV_BUFFER_LEAST 256u /* where a chip does not tell, or nothing that a chip has */

/* An index as it can be read. */
struct index {
	uint32_t handle;
	uint32_t authority; /* the index itself, or the owner */
	uint32_t size;	    /* 0 = not to be read */
	struct engine_name name;
};

static TSS2_RC index_name(const TPMS_NV_PUBLIC *public, struct engine_name *ret_name,
			  struct err *fault)
{
	uint8_t bytes[sizeof(*public)];
	enum hash_alg alg = HASH_SHA256;
	size_t len = 0;
	struct slice part;

	if (public_hash_of_id(public->nameAlg, &alg, fault) < 0)
		return COMMAND_OURS;
	if (Tss2_MU_TPMS_NV_PUBLIC_Marshal(public, bytes, sizeof(bytes), &len))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	part = slice_of(bytes, len);
	ret_name->bytes[0] = (uint8_t)(public->nameAlg >> 8);
	ret_name->bytes[1] = (uint8_t) public->nameAlg;
	ret_name->len = 2 + hash_size(alg);
	return hash_digest(alg, &part, 1, ret_name->bytes + 2, fault) < 0 ? COMMAND_OURS
									  : TSS2_RC_SUCCESS;
}

/* An empty password that is wrong must not count as a failure. */
static uint32_t authority_of(const TPMS_NV_PUBLIC *public)
{
	TPMA_NV may = public->attributes;

	if (may & TPMA_NV_AUTHREAD && may & TPMA_NV_NO_DA)
		return public->nvIndex;
	return may & TPMA_NV_OWNERREAD ? TPM2_RH_OWNER : 0;
}

static TSS2_RC index_look(struct engine *engine, uint32_t handle, struct index *ret_index)
{
	struct command command = {.code = TPM2_CC_NV_ReadPublic};
	const TPMS_NV_PUBLIC *area;
	TPM2B_NV_PUBLIC public = {0};
	TPM2B_NAME name = {0};
	TSS2_RC rc = Tss2_Sys_NV_ReadPublic_Prepare(engine->line.sys, handle);

	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_NV_ReadPublic_Complete(engine->line.sys, &public, &name);
	area = &public.nvPublic;
	if (!rc && area->nvIndex != handle)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		rc = index_name(area, &ret_index->name, &engine->line.fault);
	if (rc)
		return rc;
	ret_index->handle = handle;
	ret_index->authority = authority_of(area);
	ret_index->size =
		area->attributes & TPMA_NV_WRITTEN && ret_index->authority ? area->dataSize : 0;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC read_piece(struct engine *engine, const struct index *index, uint32_t offset,
			  uint32_t size, struct buf *ret_bytes)
{
	uint8_t owner[4];
	bool by_owner = index->authority == TPM2_RH_OWNER;
	struct command command = {
		.code = TPM2_CC_NV_Read,
		.names = {by_owner ? chip_handle_name(TPM2_RH_OWNER, owner)
				   : name_slice(&index->name),
			  name_slice(&index->name)},
		.name_count = 2,
		.authorised = true,
		.auth = by_owner ? engine_auth(engine->owner_auth) : slice_of(NULL, 0),
	};
	TPM2B_MAX_NV_BUFFER piece = {0};
	TSS2_RC rc = Tss2_Sys_NV_Read_Prepare(engine->line.sys, index->authority, index->handle,
					      (UINT16)size, (UINT16)offset);

	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_NV_Read_Complete(engine->line.sys, &piece);
	if (!rc && piece.size != size)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		buf_put(ret_bytes, slice_of(piece.buffer, piece.size));
	return rc;
}

static uint32_t piece_max(const struct engine *engine)
{
	uint32_t told = engine->facts.nv_buffer;

	if (told < NV_BUFFER_LEAST)
		return NV_BUFFER_LEAST;
	return told < TPM2_MAX_NV_BUFFER_SIZE ? told : TPM2_MAX_NV_BUFFER_SIZE;
}

TSS2_RC nv_read(struct engine *engine, uint32_t handle, struct buf *ret_bytes)
{
	struct index index = {0};
	uint32_t at, size;
	TSS2_RC rc = index_look(engine, handle, &index);

	if (rc || index.size > ret_bytes->max - ret_bytes->len)
		return rc;
	for (at = 0; at < index.size && !rc; at += size) {
		size = index.size - at;
		size = size < piece_max(engine) ? size : piece_max(engine);
		rc = read_piece(engine, &index, at, size, ret_bytes);
	}
	return rc;
}
