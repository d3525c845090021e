/* SPDX-License-Identifier: Apache-2.0 */
/* Read anew each time, since the firmware's runtime services may add to it. */
#include "service/eventlog.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "service/op.h"
#include "service/routes.h"

#define PATH_MAX_LEN 512u
#define REMEDY                                                                                     \
	"Let the service read the event log: it belongs to root in /sys/kernel/security, which "   \
	"must be mounted; a device without UEFI or with a TPM that its firmware does not use has " \
	"none."

struct eventlog_op {
	struct op op;
	const char *path;
	struct buf log;
};

static int open_and_read(const char *path, struct buf *log, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	const char *name = strrchr(path, '/');
	char folder[PATH_MAX_LEN];
	int r;

	if (!name || (size_t)(name - path) >= sizeof(folder))
		return err_set(err, ERR_NOT_FOUND, "no path");
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(name - path + 1), path);
	r = file_open_dir(-1, folder, false, 0, &dir, err);
	return r < 0 ? r : file_read(dir, name + 1, log, err);
}

int eventlog_read(const char *path, struct buf *ret_log, struct err *err)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(EVENTLOG_MAX);
	struct err why;
	int r = open_and_read(path, &log, &why);

	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_NOT_SUPPORTED, "the event log is over %u bytes",
			       EVENTLOG_MAX);
	if (r < 0 || log.len == 0) {
		(void)err_set(err, ERR_NOT_FOUND, "there is no event log that can be read");
		return err_add_remedy(err, REMEDY);
	}
	buf_put(ret_log, buf_slice(&log));
	return buf_ok(ret_log) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int read_log(void *arg, struct err *err)
{
	struct eventlog_op *log = arg;

	return eventlog_read(log->path, &log->log, err);
}

static int prepare(struct op *op, struct err *err)
{
	struct eventlog_op *log = (struct eventlog_op *)op;

	log->path = op->service->event_log;
	log->log = (struct buf)BUF_INIT(EVENTLOG_MAX);
	op_step(op, JOB_POOL, read_log);
	return op_needs_chip(op, err);
}

static void answer(struct op *op)
{
	op_answer_octets(op, buf_slice(&((struct eventlog_op *)op)->log));
}

static void fini(struct op *op)
{
	buf_fini(&((struct eventlog_op *)op)->log);
}

static const struct op_kind EVENTLOG = {
	.operation = METRICS_EVENTLOG,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct eventlog_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_eventlog(struct http_request *request, void *app)
{
	op_run(app, request, &EVENTLOG);
}
