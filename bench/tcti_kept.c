/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCTI that keeps one connection where libtss2-tcti-swtpm makes one for each command: what would
 * be saved. Loaded by its path: "/../libbench_tcti_kept.so:SOCKET". For the bench only: it neither
 * connects anew nor minds a fork.
 */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tss2/tss2_tcti.h>

#include "bench/bench.h"

#define MAGIC  0x62656e63686b6570ULL
#define HEADER 10u

struct kept {
	TSS2_TCTI_CONTEXT_COMMON_V2 face;
	int fd;
	size_t size; /* of the response whose header is here; 0 = none */
	uint8_t header[HEADER];
};

static struct kept *kept_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct kept *)(void *)tcti;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
	ssize_t n = send(kept_of(tcti)->fd, command, size, MSG_NOSIGNAL);

	return n == (ssize_t)size ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC take(struct kept *kept, uint8_t *bytes, size_t size)
{
	ssize_t n = size > 0 ? recv(kept->fd, bytes, size, MSG_WAITALL) : 0;

	return n == (ssize_t)size ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC take_header(struct kept *kept)
{
	const uint8_t *at = kept->header + 2;

	if (take(kept, kept->header, HEADER))
		return TSS2_TCTI_RC_IO_ERROR;
	kept->size = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	return kept->size < HEADER ? TSS2_TCTI_RC_MALFORMED_RESPONSE : TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response, int32_t timeout)
{
	struct kept *kept = kept_of(tcti);
	TSS2_RC rc = kept->size > 0 ? TSS2_RC_SUCCESS : take_header(kept);
	size_t room = *size;

	(void)timeout;
	if (rc)
		return rc;
	*size = kept->size;
	if (!response)
		return TSS2_RC_SUCCESS;
	if (room < kept->size)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	kept->size = 0;
	memcpy(response, kept->header, HEADER);
	return take(kept, response + HEADER, *size - HEADER);
}

static void finalize(TSS2_TCTI_CONTEXT *tcti)
{
	close(kept_of(tcti)->fd);
}

static TSS2_RC init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct kept *kept = kept_of(tcti);
	size_t room = *size;

	*size = sizeof(*kept);
	if (!tcti)
		return TSS2_RC_SUCCESS;
	if (room < sizeof(*kept))
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	*kept = (struct kept){.face.v1 = {.magic = MAGIC,
					  .version = 2,
					  .transmit = transmit,
					  .receive = receive,
					  .finalize = finalize},
			      .fd = conf ? bench_connect(conf) : -1};
	return kept->fd < 0 ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

/* What the loader looks for, where all else is hidden. */
__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	static const TSS2_TCTI_INFO info = {.version = 2,
					    .name = "kept",
					    .description = "one connection that is kept",
					    .config_help = "the socket's path",
					    .init = init};

	return &info;
}
