/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON per operation; its members are the same for all, so that tools can filter;
 * only `late` is there where it is true. */
#include "tenant/audit.h"

#include <inttypes.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"

void audit_format(const struct audit_event *event, uint64_t time, struct buf *ret_line)
{
	buf_printf(ret_line, "{\"time\":%" PRIu64 ",\"tenant\":", time);
	json_put_string(ret_line, event->peer->tenant->name);
	buf_printf(ret_line, ",\"pid\":%d,\"uid\":%u,\"operation\":", (int)event->peer->pid,
		   (unsigned)event->peer->uid);
	json_put_string(ret_line, event->operation);
	buf_put_str(ret_line, ",\"object\":");
	json_put_string(ret_line, event->object);
	buf_put_str(ret_line, ",\"result\":");
	json_put_string(ret_line, event->code == 0 ? "ok" : err_info(event->code)->name);
	buf_printf(ret_line, ",\"tpm_commands\":%" PRIu64 ",\"microseconds\":%" PRIu64 "%s}",
		   event->tpm_commands, event->microseconds, event->late ? ",\"late\":true" : "");
}

void audit_write(const struct audit_event *event)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);

	audit_format(event, (uint64_t)time(NULL), &line);
	log_audit(buf_slice(&line));
}
