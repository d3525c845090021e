/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCTI with somebody who wants salts to be sent to a key of his: "OTHER,CHILD". That a key was
 * made persistent is only said, and from then on who asks for what lies at 0x81000001, or begins a
 * session with it, gets the one at OTHER (hexadecimal).
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include "tpm/test_be32.h"

#define SRK	       0x81000001u
#define EVICT_CONTROL  0x120u
#define READ_PUBLIC    0x173u
#define START_SESSION  0x176u
#define COMMAND_MAX    4096u
#define COMMAND_HANDLE 10u /* behind the header */

struct usurper {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	TSS2_TCTI_CONTEXT *child;
	unsigned other;
	int reigns;
	int says; /* the next answer is ours */
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static struct usurper *usurper_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct usurper *)(void *)tcti;
}

static TSS2_RC usurper_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct usurper *usurper = usurper_of(tcti);
	uint8_t changed[COMMAND_MAX];
	unsigned code = get_u32(command + 6);

	usurper->says = code == EVICT_CONTROL;
	if (usurper->says) {
		usurper->reigns = 1;
		return TSS2_RC_SUCCESS;
	}
	if (!usurper->reigns || (code != READ_PUBLIC && code != START_SESSION) ||
	    get_u32(command + COMMAND_HANDLE) != SRK || size > sizeof(changed))
		return Tss2_Tcti_Transmit(usurper->child, size, command);
	memcpy(changed, command, size);
	put_u32(changed + COMMAND_HANDLE, usurper->other);
	return Tss2_Tcti_Transmit(usurper->child, size, changed);
}

static TSS2_RC usurper_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			       int32_t timeout)
{
	/* Done, by a password: no parameters, an empty nonce, the session goes on, no HMAC. */
	static const uint8_t DONE[] = {0x80, 0x02, 0, 0, 0, 19, 0, 0, 0, 0,
				       0,    0,	   0, 0, 0, 0,	1, 0, 0};
	struct usurper *usurper = usurper_of(tcti);

	if (!usurper->says)
		return Tss2_Tcti_Receive(usurper->child, size, response, timeout);
	memcpy(response, DONE, sizeof(DONE));
	*size = sizeof(DONE);
	return TSS2_RC_SUCCESS;
}

static void usurper_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	Tss2_TctiLdr_Finalize(&usurper_of(tcti)->child);
}

static TSS2_RC usurper_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct usurper *usurper = usurper_of(tcti);

	if (!tcti) {
		*size = sizeof(*usurper);
		return TSS2_RC_SUCCESS;
	}
	memset(usurper, 0, sizeof(*usurper));
	if (sscanf(conf, "%x,", &usurper->other) != 1 || !strchr(conf, ','))
		return TSS2_TCTI_RC_BAD_VALUE;
	usurper->tcti.v1.magic = 0x75737572;
	usurper->tcti.v1.version = 2;
	usurper->tcti.v1.transmit = usurper_transmit;
	usurper->tcti.v1.receive = usurper_receive;
	usurper->tcti.v1.finalize = usurper_finalize;
	return Tss2_TctiLdr_Initialize(strchr(conf, ',') + 1, &usurper->child);
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "usurp",
	.description = "puts another key in the place of the storage root key, for a test",
	.config_help = "OTHER,CHILD",
	.init = usurper_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
