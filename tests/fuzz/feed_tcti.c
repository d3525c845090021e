/* SPDX-License-Identifier: Apache-2.0 */

/* A TCTI whose answers come from the program that opened it. */

#include <string.h>
#include <tss2/tss2_tcti.h>

#include "tests/fuzz/feed.h"

#define MESSAGE_MAX 4096u

struct feed {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti; /* first */
	uint8_t command[MESSAGE_MAX];
	size_t len;
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static TSS2_RC feed_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct feed *feed = (struct feed *)(void *)tcti;

	if (size > sizeof(feed->command))
		return TSS2_TCTI_RC_BAD_VALUE;
	memcpy(feed->command, command, size);
	feed->len = size;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC feed_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			    int32_t timeout)
{
	struct feed *feed = (struct feed *)(void *)tcti;
	size_t len = fuzz_feed(feed->command, feed->len, response, *size);

	(void)timeout;
	if (len == SIZE_MAX)
		return TSS2_TCTI_RC_IO_ERROR;
	*size = len;
	return TSS2_RC_SUCCESS;
}

static void feed_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti;
}

static TSS2_RC feed_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct feed *feed = (struct feed *)(void *)tcti;

	(void)conf;
	if (!tcti) {
		*size = sizeof(*feed);
		return TSS2_RC_SUCCESS;
	}
	memset(feed, 0, sizeof(*feed));
	feed->tcti.v1.magic = 0x66656564;
	feed->tcti.v1.version = 2;
	feed->tcti.v1.transmit = feed_transmit;
	feed->tcti.v1.receive = feed_receive;
	feed->tcti.v1.finalize = feed_finalize;
	return TSS2_RC_SUCCESS;
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "feed",
	.description = "answers from the program itself",
	.config_help = "nothing",
	.init = feed_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
