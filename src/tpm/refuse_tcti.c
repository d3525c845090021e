/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCTI whose chip refuses on demand: its conf is the CHILD that everything else goes to. While
 * the environment's HOLDFAST_TEST_REFUSE says "CODE,RC,TIMES" (hexadecimal), the next TIMES
 * commands with that code do not reach the CHILD and are answered with RC.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include "tpm/test_be32.h"

#define REFUSE "HOLDFAST_TEST_REFUSE"

struct refuser {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	TSS2_TCTI_CONTEXT *child;
	unsigned rc; /* of the answer that waits; 0 = the CHILD has it */
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static struct refuser *refuser_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct refuser *)(void *)tcti;
}

/* The code to refuse this command with, or 0. */
static unsigned demanded(unsigned running)
{
	const char *demand = getenv(REFUSE);
	unsigned code, rc, times;
	char rest[40];

	if (!demand || sscanf(demand, "%x,%x,%x", &code, &rc, &times) != 3 || code != running ||
	    !times)
		return 0;
	snprintf(rest, sizeof(rest), "%x,%x,%x", code, rc, times - 1);
	setenv(REFUSE, rest, 1);
	return rc;
}

static TSS2_RC refuser_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct refuser *refuser = refuser_of(tcti);

	refuser->rc = demanded(get_u32(command + 6));
	if (refuser->rc)
		return TSS2_RC_SUCCESS;
	return Tss2_Tcti_Transmit(refuser->child, size, command);
}

static TSS2_RC refuser_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			       int32_t timeout)
{
	struct refuser *refuser = refuser_of(tcti);
	const uint8_t answer[10] = {0x80,
				    0x01,
				    0,
				    0,
				    0,
				    10,
				    (uint8_t)(refuser->rc >> 24),
				    (uint8_t)(refuser->rc >> 16),
				    (uint8_t)(refuser->rc >> 8),
				    (uint8_t)refuser->rc};

	if (!refuser->rc)
		return Tss2_Tcti_Receive(refuser->child, size, response, timeout);
	memcpy(response, answer, sizeof(answer));
	*size = sizeof(answer);
	return TSS2_RC_SUCCESS;
}

static void refuser_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	Tss2_TctiLdr_Finalize(&refuser_of(tcti)->child);
}

static TSS2_RC refuser_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct refuser *refuser = refuser_of(tcti);

	if (!tcti) {
		*size = sizeof(*refuser);
		return TSS2_RC_SUCCESS;
	}
	memset(refuser, 0, sizeof(*refuser));
	refuser->tcti.v1.magic = 0x7265667573650000;
	refuser->tcti.v1.version = 2;
	refuser->tcti.v1.transmit = refuser_transmit;
	refuser->tcti.v1.receive = refuser_receive;
	refuser->tcti.v1.finalize = refuser_finalize;
	return Tss2_TctiLdr_Initialize(conf, &refuser->child);
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "refuse",
	.description = "refuses on demand, for a test",
	.config_help = "CHILD",
	.init = refuser_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
