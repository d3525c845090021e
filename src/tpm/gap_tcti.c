/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCTI whose chip lets saved sessions fall behind only a little: "GAP,CHILD" (hexadecimal). It
 * tells GAP as TPM2_PT_CONTEXT_GAP_MAX and answers CONTEXT_GAP, as Part 1 has it ("Session context
 * management"), to a ContextSave that would leave the first saved session further behind. Its file
 * HOLDFAST_TEST_GAP, where the environment names one, gets a byte for each such refusal.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "tpm/test_be32.h"

#define INDICES	   64u
#define CC_SAVE	   0x162u
#define CC_LOAD	   0x161u
#define CC_FLUSH   0x165u
#define CC_CAP	   0x17au
#define PT_GAP	   0x114u
#define RC_GAP	   0x901u
#define AT_CONTEXT 10u /* in a command and in an answer: the sequence number, then the handle */

struct gap {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	TSS2_TCTI_CONTEXT *child;
	unsigned most;
	unsigned code, handle; /* of the command in flight */
	int refused;
	uint64_t newest, saved[INDICES]; /* by the session's index; 0 = it is not saved */
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static struct gap *gap_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct gap *)(void *)tcti;
}

static int is_session(unsigned handle)
{
	return handle >> 24 == 0x02 || handle >> 24 == 0x03;
}

static uint64_t *place_of(struct gap *gap, unsigned handle)
{
	return &gap->saved[(handle & 0xffffffu) % INDICES];
}

static int is_too_far(const struct gap *gap)
{
	for (size_t i = 0; i < INDICES; i++)
		if (gap->saved[i] && gap->newest + 1 > gap->saved[i] + gap->most)
			return 1;
	return 0;
}

static void note_refusal(void)
{
	const char *path = getenv("HOLDFAST_TEST_GAP");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (write(fd, "!", 1) != 1)
		abort();
	close(fd);
}

static TSS2_RC gap_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct gap *gap = gap_of(tcti);

	gap->code = get_u32(command + 6);
	gap->handle = 0;
	if (gap->code == CC_SAVE || gap->code == CC_FLUSH)
		gap->handle = get_u32(command + AT_CONTEXT);
	else if (gap->code == CC_LOAD)
		gap->handle = get_u32(command + AT_CONTEXT + 8);
	gap->refused = gap->code == CC_SAVE && is_session(gap->handle) && is_too_far(gap);
	if (!gap->refused)
		return Tss2_Tcti_Transmit(gap->child, size, command);
	note_refusal();
	return TSS2_RC_SUCCESS;
}

/* Of the fixed properties: tag and value, one after the other. */
static void tell_gap(const struct gap *gap, uint8_t *answer, size_t size)
{
	size_t at;

	for (at = 19; at + 8 <= size; at += 8)
		if (get_u32(answer + at) == PT_GAP)
			put_u32(answer + at + 4, gap->most);
}

static void note_answer(struct gap *gap, const uint8_t *answer)
{
	if (!is_session(gap->handle))
		return;
	*place_of(gap, gap->handle) = 0;
	if (gap->code != CC_SAVE)
		return;
	gap->newest = (uint64_t)get_u32(answer + AT_CONTEXT) << 32 | get_u32(answer + 14);
	*place_of(gap, gap->handle) = gap->newest;
}

static TSS2_RC gap_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			   int32_t timeout)
{
	static const uint8_t refusal[] = {0x80, 1, 0, 0, 0, 10, 0, 0, RC_GAP >> 8, RC_GAP & 0xff};
	struct gap *gap = gap_of(tcti);
	TSS2_RC rc;

	if (gap->refused) {
		memcpy(response, refusal, sizeof(refusal));
		*size = sizeof(refusal);
		return TSS2_RC_SUCCESS;
	}
	rc = Tss2_Tcti_Receive(gap->child, size, response, timeout);
	if (rc || get_u32(response + 6) != 0)
		return rc;
	if (gap->code == CC_CAP && get_u32(response + 11) == 6)
		tell_gap(gap, response, *size);
	note_answer(gap, response);
	return TSS2_RC_SUCCESS;
}

static void gap_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	Tss2_TctiLdr_Finalize(&gap_of(tcti)->child);
}

static TSS2_RC gap_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct gap *gap = gap_of(tcti);

	if (!tcti) {
		*size = sizeof(*gap);
		return TSS2_RC_SUCCESS;
	}
	memset(gap, 0, sizeof(*gap));
	if (sscanf(conf, "%x,", &gap->most) != 1)
		return TSS2_TCTI_RC_BAD_VALUE;
	gap->tcti.v1.magic = 0x67617067;
	gap->tcti.v1.version = 2;
	gap->tcti.v1.transmit = gap_transmit;
	gap->tcti.v1.receive = gap_receive;
	gap->tcti.v1.finalize = gap_finalize;
	return Tss2_TctiLdr_Initialize(strchr(conf, ',') + 1, &gap->child);
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "gap",
	.description = "a small context gap, for a test",
	.config_help = "GAP,CHILD",
	.init = gap_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
