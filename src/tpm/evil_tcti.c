/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCTI that lies once: "HOW,CODE,CHILD" changes the first successful answer to the command with
 * that code (hexadecimal) on its way from CHILD, as somebody on the bus would.
 *   size        the parameters claim far more bytes than were received
 *   tag         the answer says that it carries no sessions
 *   nonce hmac attributes   one bit of it (of the last HMAC)
 *   second      one bit of the second session's nonce
 *   said        one bit of the first parameter, where an HMAC is to notice it
 *   digest counter value   one bit of an answer without sessions: of its first parameter, of a
 *               PCR_Read's counter, of its last byte
 *   restless    the last one, and not only once
 *   kind        a saved context is of no kind of object
 *   swap        the first handle of a list is exchanged for the last
 *   twice       the first handle of a list is the last one as well; and not only once
 *   hold        the list is empty, and there are more; and not only once
 *   cut         the last 20 bytes are missing, the header says so too
 *   refuse      the answer is BAD_AUTH for the first session
 *   stale       the answer is REFERENCE_S0
 * The environment tells that it was told, since the engine may open us anew.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include "tpm/test_be32.h"

#define SESSION_SIZE 69u /* nonce of 32, attributes, HMAC of 32 */
#define EVIL_TOLD    "HOLDFAST_TEST_EVIL_TOLD"

struct evil {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	TSS2_TCTI_CONTEXT *child;
	char how[16];
	unsigned code;	  /* of the command whose answer is changed */
	unsigned running; /* code of the command in flight */
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static struct evil *evil_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct evil *)(void *)tcti;
}

static TSS2_RC evil_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct evil *evil = evil_of(tcti);

	evil->running = get_u32(command + 6);
	return Tss2_Tcti_Transmit(evil->child, size, command);
}

static void answer_with(uint8_t *answer, size_t *size, unsigned rc)
{
	answer[0] = 0x80;
	answer[1] = 0x01;
	put_u32(answer + 2, 10);
	put_u32(answer + 6, rc);
	*size = 10;
}

/* Load, HMAC_Start, HashSequenceStart, CreatePrimary */
static int answers_with_handle(unsigned code)
{
	return code == 0x157 || code == 0x15b || code == 0x186 || code == 0x131;
}

/* Lies about an answer that carries no sessions. */
static int is_of_no_session(const char *how)
{
	return !strcmp(how, "kind") || !strcmp(how, "digest") || !strcmp(how, "counter") ||
	       !strcmp(how, "value") || !strcmp(how, "restless") || !strcmp(how, "swap") ||
	       !strcmp(how, "twice") || !strcmp(how, "hold");
}

static int is_for_ever(const char *how)
{
	return !strcmp(how, "restless") || !strcmp(how, "twice") || !strcmp(how, "hold");
}

/* TPMI_YES_NO, TPM_CAP and the count come first (TPM 2.0 Part 3, 30.2). */
static void swap_ends(uint8_t *answer, size_t size)
{
	uint32_t first = get_u32(answer + 19), last = get_u32(answer + size - 4);

	put_u32(answer + 19, last);
	put_u32(answer + size - 4, first);
}

static void hold_back(uint8_t *answer, size_t *size)
{
	answer[10] = 1;
	put_u32(answer + 15, 0);
	put_u32(answer + 2, (unsigned)(*size = 19));
}

static void lie_about_parameters(const char *how, uint8_t *answer, size_t *answer_size)
{
	size_t size = *answer_size;

	if (!strcmp(how, "digest"))
		answer[12] ^= 0x01;
	else if (!strcmp(how, "counter"))
		answer[13] ^= 0x01;
	else if (!strcmp(how, "kind"))
		answer[18] = 0; /* behind the sequence (TPMS_CONTEXT) */
	else if (!strcmp(how, "swap"))
		swap_ends(answer, size);
	else if (!strcmp(how, "twice"))
		memcpy(answer + size - 4, answer + 19, 4);
	else if (!strcmp(how, "hold"))
		hold_back(answer, answer_size);
	else
		answer[size - 1] ^= 0x01;
}

static void lie(const struct evil *evil, uint8_t *answer, size_t *size)
{
	unsigned handle = answers_with_handle(evil->running) ? 4 : 0;
	uint8_t *session = answer + 14 + handle + get_u32(answer + 10 + handle);
	const char *how = evil->how;

	if (!strcmp(how, "size"))
		put_u32(answer + 10 + handle, 0x400000);
	else if (!strcmp(how, "tag"))
		answer[1] = 0x01;
	else if (!strcmp(how, "nonce"))
		session[2] ^= 0x01;
	else if (!strcmp(how, "second"))
		session[SESSION_SIZE + 2] ^= 0x01;
	else if (!strcmp(how, "said"))
		answer[14 + handle + 2] ^= 0x01;
	else if (!strcmp(how, "attributes"))
		session[34] ^= 0x40;
	else if (!strcmp(how, "hmac"))
		answer[*size - 1] ^= 0x01;
	else if (!strcmp(how, "cut"))
		put_u32(answer + 2, (unsigned)(*size -= 20));
	else if (!strcmp(how, "refuse"))
		answer_with(answer, size, 0x9a2);
	else if (!strcmp(how, "stale"))
		answer_with(answer, size, 0x918);
}

static TSS2_RC evil_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			    int32_t timeout)
{
	struct evil *evil = evil_of(tcti);
	int plain = is_of_no_session(evil->how);
	TSS2_RC rc = Tss2_Tcti_Receive(evil->child, size, response, timeout);

	if (rc || getenv(EVIL_TOLD) || evil->running != evil->code || *size < 60 ||
	    get_u32(response + 6) != 0 || response[1] != (plain ? 0x01 : 0x02))
		return rc;
	if (plain)
		lie_about_parameters(evil->how, response, size);
	else
		lie(evil, response, size);
	if (!is_for_ever(evil->how))
		setenv(EVIL_TOLD, "1", 1);
	return TSS2_RC_SUCCESS;
}

static void evil_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	Tss2_TctiLdr_Finalize(&evil_of(tcti)->child);
}

static TSS2_RC evil_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct evil *evil = evil_of(tcti);
	const char *child;

	if (!tcti) {
		*size = sizeof(*evil);
		return TSS2_RC_SUCCESS;
	}
	memset(evil, 0, sizeof(*evil));
	if (sscanf(conf, "%15[a-z],%x", evil->how, &evil->code) != 2)
		return TSS2_TCTI_RC_BAD_VALUE;
	child = strchr(strchr(conf, ',') + 1, ',') + 1;
	evil->tcti.v1.magic = 0x6576696c;
	evil->tcti.v1.version = 2;
	evil->tcti.v1.transmit = evil_transmit;
	evil->tcti.v1.receive = evil_receive;
	evil->tcti.v1.finalize = evil_finalize;
	return Tss2_TctiLdr_Initialize(child, &evil->child);
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "evil",
	.description = "lies once, for a test",
	.config_help = "HOW,CODE,CHILD",
	.init = evil_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
