/* SPDX-License-Identifier: Apache-2.0 */

/* Commands of others as the bytes that they are: one out, one answer in. */

#include <string.h>

#include "base/secret.h"
#include "tpm/impl.h"

#define HEADER_SIZE 10u

uint32_t answer_code(const struct answer *answer)
{
	struct cursor cursor = cursor_of(slice_of(answer->bytes, answer->len));

	(void)cursor_take(&cursor, 6); /* tag, size */
	return cursor_u32(&cursor);
}

void answer_set(struct answer *answer, uint32_t code)
{
	const uint8_t bytes[HEADER_SIZE] = {0x80,
					    0x01,
					    0,
					    0,
					    0,
					    HEADER_SIZE,
					    (uint8_t)(code >> 24),
					    (uint8_t)(code >> 16),
					    (uint8_t)(code >> 8),
					    (uint8_t)code};

	memcpy(answer->bytes, bytes, sizeof(bytes));
	answer->len = sizeof(bytes);
}

int answer_hand_over(const struct answer *answer, struct buf *ret_bytes, struct err *err)
{
	size_t before = ret_bytes->len;

	buf_put(ret_bytes, slice_of(answer->bytes, answer->len));
	if (buf_ok(ret_bytes))
		return 0;
	ret_bytes->len = before;
	return err_set(err, ERR_INTERNAL, "no room for the TPM's answer");
}

void answer_wipe(struct answer *answer)
{
	wipe(answer, sizeof(*answer));
}

bool exchange_is_whole(struct slice command)
{
	struct cursor cursor = cursor_of(command);
	uint16_t tag = cursor_u16(&cursor);

	return command.len >= HEADER_SIZE && command.len <= TRANSPORT_BUFFER &&
	       (tag == TPM2_ST_NO_SESSIONS || tag == TPM2_ST_SESSIONS) &&
	       cursor_u32(&cursor) == command.len;
}

TSS2_RC exchange(struct engine *engine, struct slice command, struct answer *ret_answer)
{
	TSS2_TCTI_CONTEXT *tcti = transport_tcti(engine->line.transport);
	TSS2_RC rc = Tss2_Tcti_Transmit(tcti, command.len, command.data);

	ret_answer->len = sizeof(ret_answer->bytes);
	if (!rc)
		rc = Tss2_Tcti_Receive(tcti, &ret_answer->len, ret_answer->bytes,
				       TSS2_TCTI_TIMEOUT_BLOCK);
	return rc;
}
