/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of swtpm has messages with bodies of many lengths, and answers of many. Of
 * them we know one. What follows the code of another cannot be measured, so all that was received
 * goes with it; should the rest of a body come later, it is read as one more unknown message,
 * which does no harm, since no message changes anything here.
 */
#include "broker/wire.h"

#include <tss2/tss2_tpm2_types.h>

#define CONTROL_CODE	     4u /* bytes of a code, and of an answer */
#define CONTROL_SET_LOCALITY 5u /* then one byte: the locality */

/* What swtpm says in such cases: codes of TPM 1.2, Part 2, section 16. */
#define CONTROL_BAD_ORDINAL  0x0au
#define CONTROL_BAD_LOCALITY 0x3du

size_t wire_command_size(struct slice received)
{
	struct cursor cursor = cursor_of(received);
	uint32_t size;

	(void)cursor_u16(&cursor);
	size = cursor_u32(&cursor);
	if (cursor.failed)
		return 0;
	if (size < WIRE_HEADER || size > WIRE_MAX)
		return WIRE_BAD;
	return size <= received.len ? size : 0;
}

void wire_refuse(struct buf *ret_response, uint32_t rc)
{
	buf_put_u16(ret_response, TPM2_ST_NO_SESSIONS);
	buf_put_u32(ret_response, WIRE_HEADER);
	buf_put_u32(ret_response, rc);
}

size_t wire_control(struct slice received, struct buf *ret_answer)
{
	struct cursor cursor = cursor_of(received);
	uint32_t code = cursor_u32(&cursor);
	uint8_t locality;

	if (cursor.failed)
		return 0;
	if (code != CONTROL_SET_LOCALITY) {
		buf_put_u32(ret_answer, CONTROL_BAD_ORDINAL);
		return received.len;
	}
	locality = cursor_u8(&cursor);
	if (cursor.failed)
		return 0;
	buf_put_u32(ret_answer, locality == 0 ? 0 : CONTROL_BAD_LOCALITY);
	return CONTROL_CODE + 1;
}
