/* SPDX-License-Identifier: Apache-2.0 */
/* What the service says of itself, in a few lines for people; --json gives all of it. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

#define TEXT_MAX (64u * 1024u)

static const char *text_of(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : otherwise;
}

/* Large counters come as strings, since JSON numbers end at 2^53. */
static void put_count(struct buf *out, const char *label, const json_t *value)
{
	char number[32];

	if (json_is_string(value))
		cli_put_line(out, label, json_string_value(value));
	if (!json_is_integer(value))
		return;
	(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	cli_put_line(out, label, number);
}

/* The two largest units that say something: "3 d 4 h", "1 min 30 s", "12 s". */
static void put_uptime(struct buf *out, const json_t *value)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} UNITS[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t left = json_integer_value(value);
	char text[64];
	size_t i = 0;

	if (!json_is_integer(value) || left < 0)
		return;
	while (i + 2 < ARRAY_LEN(UNITS) && left < UNITS[i].seconds)
		i++;
	if (left < UNITS[i].seconds)
		(void)snprintf(text, sizeof(text), "%" PRId64 " s", left);
	else
		(void)snprintf(text, sizeof(text), "%" PRId64 " %s %" PRId64 " %s",
			       left / UNITS[i].seconds, UNITS[i].name,
			       left % UNITS[i].seconds / UNITS[i + 1].seconds, UNITS[i + 1].name);
	cli_put_line(out, "uptime", text);
}

/* Two spaces in front of a label show that it belongs to the block above. */
static void put_lockout(struct buf *out, const json_t *lockout)
{
	const json_t *counter = json_object_get(lockout, "counter");
	const json_t *max = json_object_get(lockout, "max");
	char text[96];

	if (!json_is_integer(counter) || !json_is_integer(max))
		return;
	(void)snprintf(text, sizeof(text),
		       "%s, %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " failed attempts",
		       json_is_true(json_object_get(lockout, "in_lockout")) ? "yes" : "no",
		       json_integer_value(counter), json_integer_value(max));
	cli_put_line(out, "  lockout", text);
}

static void put_tpm(struct buf *out, const json_t *tpm)
{
	if (!json_is_object(tpm))
		return;
	cli_put_line(out, "  TPM maker", text_of(tpm, "manufacturer", NULL));
	cli_put_line(out, "  firmware", text_of(tpm, "firmware", NULL));
	cli_put_line(out, "  TCTI", text_of(tpm, "tcti", NULL));
	cli_put_line(out, "  resource manager", text_of(tpm, "resource_manager", NULL));
	put_count(out, "  TPM commands", json_object_get(tpm, "commands"));
	put_lockout(out, json_object_get(tpm, "lockout"));
}

static void put_fapi(struct buf *out, const json_t *fapi)
{
	const char *probe = text_of(fapi, "probe", NULL);
	const char *detail = text_of(fapi, "detail", NULL);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);

	if (!probe)
		return;
	buf_printf(&text, "%s%s%s", probe, detail ? ", " : "", detail ? detail : "");
	buf_put_u8(&text, '\0');
	if (buf_ok(&text))
		cli_put_line(out, "FAPI probe", (const char *)text.data);
}

static int print_status(const struct cli *cli, const char *text)
{
	CLEANUP(json_cleanup) struct json_t *status = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	struct err err;
	int r;

	r = json_parse(slice_str(text), &status, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	cli_put_line(&out, "provider", text_of(status, "provider", "unknown"));
	cli_put_line(&out, "reason", text_of(status, "reason", NULL));
	cli_put_line(&out, "protection", text_of(status, "protection", "unknown"));
	put_tpm(&out, json_object_get(status, "tpm"));
	put_fapi(&out, json_object_get(status, "fapi"));
	cli_put_line(&out, "broker", text_of(status, "broker", NULL));
	cli_put_line(&out, "tenant", text_of(status, "tenant", NULL));
	cli_put_line(&out, "version", text_of(status, "version", NULL));
	put_uptime(&out, json_object_get(status, "uptime"));
	return cli_print(cli, &out);
}

int verb_status(struct cli *cli, struct opt_words words)
{
	char *text;
	int r;

	r = cli_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	if (hf_status_json(cli->hf, &text) < 0)
		return cli_fail_hf(cli);
	r = cli->json ? cli_print_json(cli, text) : print_status(cli, text);
	hf_free(text);
	return r;
}
