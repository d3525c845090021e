/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCTI for the transport's test: answers by a script in its conf string, one letter a command.
 *   o success   r RETRY   y YIELDED   t TESTING   n NV_RATE   f FAILURE
 *   g garbage   s cut short   l length field lies   i I/O error   x transmit fails
 * After the last letter it repeats it. Only what is asked for is sent, so a test can count.
 */

#include <stdint.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>

struct fake {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	char script[32];
	size_t at;
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

static struct fake *fake_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct fake *)(void *)tcti;
}

static TSS2_RC fake_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct fake *fake = fake_of(tcti);

	(void)size;
	(void)command;
	return fake->script[fake->at] == 'x' ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

static const struct {
	char letter;
	uint8_t bytes[10];
	size_t len;
} answers[] = {
	{'o', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0}, 10},
	{'r', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x22}, 10},
	{'y', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x08}, 10},
	{'t', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x0a}, 10},
	{'n', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x20}, 10},
	{'f', {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01}, 10},
	{'g', {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6}, 10},
	{'s', {0x80, 0x01, 0, 0, 0}, 5},
	{'l', {0x80, 0x01, 0, 0, 1, 10, 0, 0, 0, 0}, 10},
};

static TSS2_RC fake_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			    int32_t timeout)
{
	struct fake *fake = fake_of(tcti);
	char letter = fake->script[fake->at];
	size_t i;

	(void)timeout;
	if (fake->script[fake->at + 1])
		fake->at++;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].letter != letter)
			continue;
		if (*size < answers[i].len)
			return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
		memcpy(response, answers[i].bytes, answers[i].len);
		*size = answers[i].len;
		return TSS2_RC_SUCCESS;
	}
	return TSS2_TCTI_RC_IO_ERROR;
}

static void fake_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti;
}

static TSS2_RC fake_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct fake *fake = fake_of(tcti);

	if (!tcti) {
		*size = sizeof(*fake);
		return TSS2_RC_SUCCESS;
	}
	memset(fake, 0, sizeof(*fake));
	fake->tcti.v1.magic = 0x66616b65;
	fake->tcti.v1.version = 2;
	fake->tcti.v1.transmit = fake_transmit;
	fake->tcti.v1.receive = fake_receive;
	fake->tcti.v1.finalize = fake_finalize;
	strncpy(fake->script, conf && conf[0] ? conf : "o", sizeof(fake->script) - 1);
	return TSS2_RC_SUCCESS;
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "fake",
	.description = "scripted answers for a test",
	.config_help = "letters",
	.init = fake_init,
};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
