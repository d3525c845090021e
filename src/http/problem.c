/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem documents (RFC 9457). The type is a URN made of the code, so that the title may say more
 * than the status phrase that "about:blank" would demand.
 */
#include "base/json.h"
#include "http/impl.h"

static void put_member(struct buf *buf, const char *name, const char *value)
{
	buf_printf(buf, ",\"%s\":", name);
	json_put_string(buf, value);
}

void http_problem_as(struct buf *buf, const struct err *err, unsigned status)
{
	const struct err_info *info = err_info(err->code);
	const char *remedy = err_remedy(err);

	buf_printf(buf, "{\"type\":\"urn:holdfast:error:%s\"", info->name);
	put_member(buf, "title", info->title);
	buf_printf(buf, ",\"status\":%u", status);
	put_member(buf, "code", info->name);
	put_member(buf, "detail", err->text);
	put_member(buf, "remedy", remedy);
	buf_put_u8(buf, '}');
}

void http_problem(struct buf *buf, const struct err *err)
{
	http_problem_as(buf, err, (unsigned)err_info(err->code)->http_status);
}
