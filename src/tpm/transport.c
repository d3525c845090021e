/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The upper TCTI's transmit() keeps the command's bytes, since a repetition must be the same
 * bytes: session nonces have not moved when the chip asks for it. It reads the answer too, and
 * receive() only hands it up. For SYS 3.2 refuses every later command (BAD_SEQUENCE) once an
 * answer failed to come, while it goes on after a command that could not be sent.
 */

#include "tpm/transport.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/secret.h"

#define TRANSPORT_MAGIC	 0x686f6c64666173ULL
#define TRANSPORT_HEADER 10u
#define PAUSE_FIRST_US	 1000u
#define PAUSE_LONGEST_US 256000u
#define TAG_NO_SESSIONS	 0x8001u
#define TAG_SESSIONS	 0x8002u

struct transport {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti; /* first: SYS and ESYS see only this */
	TSS2_TCTI_CONTEXT *lower;	  /* NULL after a loss, until the next command */
	char *conf;
	enum transport_manager manager;
	bool lost;
	uint64_t deadline_us;
	uint8_t command[TRANSPORT_BUFFER];
	size_t command_len; /* 0 when nothing is in flight */
	size_t counter;	    /* in commands[], of the command in flight */
	uint64_t sent_us;   /* when it was sent first */
	uint8_t answer[TRANSPORT_BUFFER];
	size_t answer_len;
	size_t handed_len; /* of the last answer that went up */
};

/*
 * Names as in TPM 2.0 Part 2, 6.5.2, for the metrics; the rest is counted as "other". Searched from
 * the beginning, so what is sent most stands first.
 */
static const struct {
	TPM2_CC code;
	const char *name;
} command_names[] = {
	{TPM2_CC_Unseal, "Unseal"},
	{TPM2_CC_Sign, "Sign"},
	{TPM2_CC_Load, "Load"},
	{TPM2_CC_FlushContext, "FlushContext"},
	{TPM2_CC_ContextSave, "ContextSave"},
	{TPM2_CC_ContextLoad, "ContextLoad"},
	{TPM2_CC_Create, "Create"},
	{TPM2_CC_GetRandom, "GetRandom"},
	{TPM2_CC_StartAuthSession, "StartAuthSession"},
	{TPM2_CC_Hash, "Hash"},
	{TPM2_CC_Quote, "Quote"},
	{TPM2_CC_Certify, "Certify"},
	{TPM2_CC_PCR_Read, "PCR_Read"},
	{TPM2_CC_PCR_Extend, "PCR_Extend"},
	{TPM2_CC_ReadPublic, "ReadPublic"},
	{TPM2_CC_ReadClock, "ReadClock"},
	{TPM2_CC_GetCapability, "GetCapability"},
	{TPM2_CC_CreatePrimary, "CreatePrimary"},
	{TPM2_CC_CreateLoaded, "CreateLoaded"},
	{TPM2_CC_LoadExternal, "LoadExternal"},
	{TPM2_CC_Import, "Import"},
	{TPM2_CC_ObjectChangeAuth, "ObjectChangeAuth"},
	{TPM2_CC_ActivateCredential, "ActivateCredential"},
	{TPM2_CC_VerifySignature, "VerifySignature"},
	{TPM2_CC_RSA_Decrypt, "RSA_Decrypt"},
	{TPM2_CC_ECDH_ZGen, "ECDH_ZGen"},
	{TPM2_CC_ECC_Parameters, "ECC_Parameters"},
	{TPM2_CC_TestParms, "TestParms"},
	{TPM2_CC_EvictControl, "EvictControl"},
	{TPM2_CC_NV_Read, "NV_Read"},
	{TPM2_CC_NV_ReadPublic, "NV_ReadPublic"},
	{TPM2_CC_DictionaryAttackLockReset, "DictionaryAttackLockReset"},
	{TPM2_CC_DictionaryAttackParameters, "DictionaryAttackParameters"},
	{TPM2_CC_SelfTest, "SelfTest"},
	{TPM2_CC_Startup, "Startup"},
	{TPM2_CC_Shutdown, "Shutdown"},
};

static struct metric_family commands_family = {
	.name = "holdfast_tpm_commands",
	.help = "TPM commands sent to the chip, repetitions included",
	.label = "command",
	.kind = METRIC_COUNTER,
};
static struct metric_family time_family = {
	.name = "holdfast_tpm_command_microseconds",
	.help = "Time from sending a TPM command to its whole answer, repetitions included",
	.label = "command",
	.kind = METRIC_COUNTER,
};

static struct metric_family worst_family = {
	.name = "holdfast_tpm_command_worst_microseconds",
	.help = "The longest time that one TPM command took since the service started",
	.label = "command",
	.kind = METRIC_GAUGE,
};

/* One for each name, and the last for the rest. */
static struct {
	struct metric sent, time, worst;
} commands[ARRAY_LEN(command_names) + 1];

static struct metric_family repeats_family = {
	.name = "holdfast_tpm_repeats",
	.help = "TPM commands sent again because the chip asked for it",
	.kind = METRIC_COUNTER,
};
static struct metric repeats;

static void counters_register(void)
{
	size_t i;

	metrics_register(&commands_family);
	metrics_register(&time_family);
	metrics_register(&worst_family);
	for (i = 0; i < ARRAY_LEN(commands); i++) {
		const char *name = i < ARRAY_LEN(command_names) ? command_names[i].name : "other";

		commands[i].sent.label = commands[i].time.label = commands[i].worst.label = name;
		metrics_add_series(&commands_family, &commands[i].sent);
		metrics_add_series(&time_family, &commands[i].time);
		metrics_add_series(&worst_family, &commands[i].worst);
	}
	metrics_register(&repeats_family);
	metrics_add_series(&repeats_family, &repeats);
}

static size_t counter_of(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(command_names); i++)
		if (command_names[i].code == code)
			break;
	return i;
}

uint64_t transport_command_count(void)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++)
		sum += metric_get(&commands[i].sent);
	return sum;
}

uint64_t transport_command_count_of(uint32_t code)
{
	return metric_get(&commands[counter_of(code)].sent);
}

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static struct transport *transport_of(TSS2_TCTI_CONTEXT *tcti)
{
	struct transport *transport = (struct transport *)(void *)tcti;

	if (!transport || transport->tcti.v1.magic != TRANSPORT_MAGIC)
		return NULL;
	return transport;
}

static void lower_close(struct transport *transport)
{
	if (transport->lower)
		Tss2_TctiLdr_Finalize(&transport->lower);
	transport->lower = NULL;
}

static TSS2_RC lower_lost(struct transport *transport, TSS2_RC rc)
{
	lower_close(transport);
	transport->lost = true;
	wipe(transport->command, sizeof(transport->command));
	wipe(transport->answer, sizeof(transport->answer));
	transport->command_len = 0;
	transport->answer_len = 0;
	return rc;
}

static TSS2_RC lower_send(struct transport *transport)
{
	TSS2_RC rc;

	if (!transport->lower) {
		rc = Tss2_TctiLdr_Initialize(transport->conf, &transport->lower);
		if (rc)
			return lower_lost(transport, rc);
	}
	metric_add(&commands[transport->counter].sent, 1);
	rc = Tss2_Tcti_Transmit(transport->lower, transport->command_len, transport->command);
	return rc ? lower_lost(transport, rc) : TSS2_RC_SUCCESS;
}

/* TPM 2.0 Part 1, "Response Header": tag, size and code; anything else did not come from a TPM. */
static bool answer_is_whole(const struct transport *transport)
{
	unsigned tag = (unsigned)transport->answer[0] << 8 | transport->answer[1];

	return transport->answer_len >= TRANSPORT_HEADER &&
	       (tag == TAG_NO_SESSIONS || tag == TAG_SESSIONS) &&
	       read_u32(transport->answer + 2) == transport->answer_len;
}

static bool answer_wants_repeat(const struct transport *transport)
{
	switch (read_u32(transport->answer + 6)) {
	case TPM2_RC_RETRY:
	case TPM2_RC_YIELDED:
	case TPM2_RC_TESTING:
	case TPM2_RC_NV_RATE:
		return true;
	default:
		return false;
	}
}

static TSS2_RC lower_receive(struct transport *transport)
{
	size_t len = sizeof(transport->answer);
	TSS2_RC rc;

	rc = Tss2_Tcti_Receive(transport->lower, &len, transport->answer, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc)
		return lower_lost(transport, rc);
	transport->answer_len = len;
	if (!answer_is_whole(transport))
		return lower_lost(transport, TSS2_TCTI_RC_MALFORMED_RESPONSE);
	return TSS2_RC_SUCCESS;
}

static void pause_us(uint64_t us)
{
	struct timespec left = {.tv_sec = (time_t)(us / 1000000u),
				.tv_nsec = (long)(us % 1000000u) * 1000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

static void time_taken(const struct transport *transport)
{
	uint64_t us = clock_monotonic_us() - transport->sent_us;

	metric_add(&commands[transport->counter].time, us);
	metric_max(&commands[transport->counter].worst, us);
}

/* Reads the answer; repeats the command as long as the chip asks for it and time is left. */
static TSS2_RC answer_fetch(struct transport *transport)
{
	uint64_t until = transport->deadline_us ? transport->deadline_us
						: clock_monotonic_us() + TRANSPORT_PATIENCE_US;
	uint64_t wait = PAUSE_FIRST_US;
	TSS2_RC rc;

	for (;;) {
		rc = lower_receive(transport);
		if (rc || !answer_wants_repeat(transport))
			return rc;
		if (clock_monotonic_us() + wait > until)
			return TSS2_RC_SUCCESS;
		pause_us(wait);
		wait = wait * 2 > PAUSE_LONGEST_US ? PAUSE_LONGEST_US : wait * 2;
		metric_add(&repeats, 1);
		rc = lower_send(transport);
		if (rc)
			return rc;
	}
}

static TSS2_RC upper_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct transport *transport = transport_of(tcti);

	TSS2_RC rc;

	if (!transport || !command)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (size < TRANSPORT_HEADER || size > sizeof(transport->command))
		return TSS2_TCTI_RC_BAD_VALUE;
	if (transport->command_len)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	memcpy(transport->command, command, size);
	transport->command_len = size;
	transport->answer_len = 0;
	transport->counter = counter_of(read_u32(command + 6));
	transport->sent_us = clock_monotonic_us();
	rc = lower_send(transport);
	if (!rc)
		rc = answer_fetch(transport);
	if (!rc)
		time_taken(transport);
	return rc;
}

static TSS2_RC upper_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			     int32_t timeout)
{
	struct transport *transport = transport_of(tcti);

	(void)timeout; /* the swtpm TCTI below blocks in any case; deadlines are the queue's */
	if (!transport || !size)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (!transport->command_len)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (response && *size < transport->answer_len)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	*size = transport->answer_len;
	if (!response)
		return TSS2_RC_SUCCESS;
	memcpy(response, transport->answer, transport->answer_len);
	transport->handed_len = transport->answer_len;
	wipe(transport->answer, transport->answer_len);
	wipe(transport->command, transport->command_len);
	transport->command_len = 0;
	transport->answer_len = 0;
	return TSS2_RC_SUCCESS;
}

static void upper_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti; /* the transport owns itself: transport_free() */
}

static TSS2_RC upper_refuse(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC upper_refuse_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles,
				    size_t *count)
{
	(void)tcti;
	(void)handles;
	(void)count;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC upper_refuse_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
	(void)tcti;
	(void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static const TSS2_TCTI_CONTEXT_COMMON_V2 upper_face = {
	.v1 = {.magic = TRANSPORT_MAGIC,
	       .version = 2,
	       .transmit = upper_transmit,
	       .receive = upper_receive,
	       .finalize = upper_finalize,
	       .cancel = upper_refuse,
	       .getPollHandles = upper_refuse_handles,
	       .setLocality = upper_refuse_locality},
};

static const char *const device_confs[] = {"device:/dev/tpm0", "device:/dev/tpmrm0"};

static int no_device(TSS2_RC rc, struct err *err)
{
	if (access("/dev/tpm0", F_OK) < 0 && access("/dev/tpmrm0", F_OK) < 0)
		return err_set(err, ERR_TPM_REQUIRED, "no TPM: neither /dev/tpm0 nor /dev/tpmrm0");
	err_set(err, ERR_TPM_FAILED, "the TPM's device does not open");
	err_add_remedy(err,
		       "Give the service's user access to /dev/tpm0 or /dev/tpmrm0 (group tss, "
		       "or the shipped udev rule), and stop what else holds /dev/tpm0.");
	return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
}

/* The first device that opens; being there is not enough, since /dev/tpm0 has one user at most. */
static int open_devices(struct transport *transport, struct err *err)
{
	TSS2_RC rc = TSS2_TCTI_RC_NOT_PERMITTED, first = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(device_confs); i++) {
		if (access(strchr(device_confs[i], ':') + 1, F_OK) < 0)
			continue;
		rc = Tss2_TctiLdr_Initialize(device_confs[i], &transport->lower);
		if (!rc) {
			transport->conf = strdup(device_confs[i]);
			return transport->conf ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
		}
		transport->lower = NULL;
		first = first ? first : rc;
	}
	return no_device(first ? first : rc, err);
}

static int open_configured(struct transport *transport, const char *conf, struct err *err)
{
	TSS2_RC rc;

	transport->conf = strdup(conf);
	if (!transport->conf)
		return err_set(err, ERR_INTERNAL, "out of memory");
	rc = Tss2_TctiLdr_Initialize(transport->conf, &transport->lower);
	if (!rc)
		return 0;
	transport->lower = NULL;
	err_set(err, ERR_TPM_FAILED, "the TPM does not open");
	return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
}

static enum transport_manager manager_of(const char *conf)
{
	char path[PATH_MAX];
	const char *digits;

	if (strncmp(conf, "swtpm:", 6) == 0 || strncmp(conf, "mssim:", 6) == 0)
		return TRANSPORT_BARE;
	if (strncmp(conf, "device:", 7) != 0 || !realpath(conf + 7, path))
		return TRANSPORT_OTHER;
	if (strncmp(path, "/dev/tpmrm", 10) == 0)
		return TRANSPORT_KERNEL;
	digits = path + strlen("/dev/tpm");
	if (strncmp(path, "/dev/tpm", 8) == 0 && digits[0] &&
	    digits[strspn(digits, "0123456789")] == '\0')
		return TRANSPORT_BARE;
	return TRANSPORT_OTHER;
}

int transport_open(const char *conf, struct transport **ret_transport, struct err *err)
{
	CLEANUP(transport_cleanup) struct transport *transport = NULL;
	int r;

	counters_register();
	transport = calloc(1, sizeof(*transport));
	if (!transport)
		return err_set(err, ERR_INTERNAL, "out of memory");
	transport->tcti = upper_face;
	r = conf[0] ? open_configured(transport, conf, err) : open_devices(transport, err);
	if (r < 0)
		return r;
	transport->manager = manager_of(transport->conf);
	*ret_transport = TAKE(transport);
	return 0;
}

void transport_free(struct transport *transport)
{
	if (!transport)
		return;
	lower_close(transport);
	free(transport->conf);
	wipe(transport, sizeof(*transport));
	free(transport);
}

struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *transport_tcti(struct transport *transport)
{
	return (TSS2_TCTI_CONTEXT *)(void *)transport;
}

const char *transport_conf(const struct transport *transport)
{
	return transport->conf;
}

enum transport_manager transport_manager(const struct transport *transport)
{
	return transport->manager;
}

void transport_close(struct transport *transport)
{
	lower_close(transport);
	transport->command_len = 0;
	transport->answer_len = 0;
}

size_t transport_answer_len(const struct transport *transport)
{
	return transport->handed_len;
}

void transport_set_deadline(struct transport *transport, uint64_t deadline_us)
{
	transport->deadline_us = deadline_us;
}

bool transport_is_lost(const struct transport *transport)
{
	return transport->lost;
}

void transport_clear_lost(struct transport *transport)
{
	transport->lost = false;
}
