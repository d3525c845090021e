/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/machine.h"

#include "artifact/fingerprint.h"
#include "conf/text.h"
#include "host/hardware.h"

#define PROC_MAX (1024u * 1024u)

static int read_cpu(struct buf *storage, struct slice *ret_text, struct err *err)
{
	int r = text_read("/proc/cpuinfo", TEXT_ANY, storage, err);

	return r < 0 ? r : fingerprint_cpu(buf_slice(storage), ret_text, err);
}

static int read_memory(struct buf *storage, struct slice *ret_text, struct err *err)
{
	int r = text_read("/proc/meminfo", TEXT_ANY, storage, err);

	return r < 0 ? r : fingerprint_memory(buf_slice(storage), ret_text, err);
}

static int read_gpu(struct buf *storage, struct slice *ret_text, struct err *err)
{
	int r = hardware_gpu("", storage, err);

	*ret_text = buf_slice(storage);
	return r;
}

static int read_serial(struct buf *storage, struct slice *ret_text, struct err *err)
{
	int r = hardware_disk_serial("", storage, err);

	*ret_text = buf_slice(storage);
	return r;
}

/* The remedy of an error does not reach who logs in, and this one he needs. */
static int cannot_know(struct err *err)
{
	struct err cause = *err;

	(void)err_set(err, cause.code, "%s; pin the text that the servers know (fingerprint_file)",
		      cause.text);
	return err_add_origin(err, cause.origin_kind, cause.origin);
}

int machine_fingerprint(void *arg, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf cpu = BUF_INIT(PROC_MAX);
	CLEANUP(buf_fini) struct buf memory = BUF_INIT(PROC_MAX);
	CLEANUP(buf_fini) struct buf gpu = BUF_INIT(FINGERPRINT_MAX);
	CLEANUP(buf_fini) struct buf serial = BUF_INIT(FINGERPRINT_MAX);
	struct fingerprint fingerprint = {.cpu = {0}};
	int r;

	(void)arg;
	r = read_cpu(&cpu, &fingerprint.cpu, err);
	if (r == 0)
		r = read_memory(&memory, &fingerprint.memory, err);
	if (r == 0)
		r = read_gpu(&gpu, &fingerprint.gpu, err);
	if (r == 0)
		r = read_serial(&serial, &fingerprint.serial, err);
	if (r == 0)
		r = fingerprint_put(&fingerprint, ret_text, err);
	return r < 0 ? cannot_know(err) : 0;
}
