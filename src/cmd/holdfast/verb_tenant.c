/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants: who besides the host is served, with what he may do. For the administrator. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/verb.h"

#define LIST_MAX      (4u * 1024u * 1024u)
#define NAME_COLUMN   24
#define SOURCE_COLUMN 14
#define WORD_COLUMN   14

static const char MEANING[] =
	"This removes the tenant with its keys, attestation keys and secrets, for good. What was\n"
	"sealed for it opens no more, also for another tenant that is given the same name.\n";

/* What each word opens, for who has to judge a policy. */
static const struct {
	const char *word;
	const char *opens;
} OPERATIONS[] = {
	{"random", "random bytes"},
	{"seal", "seal and unseal data; keep secrets"},
	{"key", "create, list, describe and delete keys"},
	{"sign", "sign, and make MACs, with its keys"},
	{"aik", "attestation keys, quotes, certifying; EK, PCRs and event log"},
	{"usage", "its own use of memory, processor and network"},
	{"decrypt", "decrypt, and agree on secrets, with its keys"},
	{"import", "bring keys in"},
	{"export", "take keys out that were created for it"},
	{"unwrap", "open what was encrypted to this device"},
	{"device-sign", "sign messages with the identity of the device"},
	{"device-tls", "use that identity in TLS 1.3"},
	{"device-raw", "sign any digest with it: whoever may do this can be the device"},
};

#define OPT_TENANT(target, others)                                                                 \
	{                                                                                          \
		.kind = OPT_ARGUMENT, .name = "NAME", .help = "the tenant's name",                 \
		.required = true, .text = (target), .is_name = true, .offer = (others)             \
	}

#define OPT_NUMBER(option, what, target)                                                           \
	{                                                                                          \
		.kind = OPT_TEXT, .name = (option), .value = "N", .help = (what), .text = (target) \
	}

/* --- what one may do --- */

static const char *opens(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(OPERATIONS); i++)
		if (strcmp(OPERATIONS[i].word, word) == 0)
			return OPERATIONS[i].opens;
	return "";
}

static void put_operations(struct buf *out, const json_t *words)
{
	size_t i;

	cli_put_label(out, "may");
	if (json_array_size(words) == 0)
		buf_put_str(out, "do nothing\n");
	for (i = 0; i < json_array_size(words); i++) {
		const char *word = json_string_value(json_array_get(words, i));

		if (!word)
			continue;
		if (i > 0)
			cli_put_label(out, "");
		cli_put_text(out, word);
		buf_printf(out, "%*s%s\n",
			   strlen(word) < WORD_COLUMN ? (int)(WORD_COLUMN - strlen(word)) : 1, "",
			   opens(word));
	}
}

/* "name, name"; nothing when there is none. */
static void put_list(struct buf *out, const char *label, const json_t *list)
{
	size_t i;

	if (json_array_size(list) == 0)
		return;
	cli_put_label(out, label);
	for (i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		buf_put_str(out, i > 0 ? ", " : "");
		cli_put_text(out, text ? text : "?");
	}
	buf_put_u8(out, '\n');
}

static void put_number(struct buf *out, const json_t *number, const char *none)
{
	if (json_is_integer(number) && (json_integer_value(number) != 0 || !none))
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
	else
		buf_put_str(out, none ? none : "?");
}

static void put_usage(struct buf *out, const char *label, const json_t *of, const char *used)
{
	cli_put_label(out, label);
	put_number(out, json_object_get(of, used), NULL);
	buf_put_str(out, ", at most ");
	put_number(out, json_object_get(of, "limit"), "as many as there is room for");
	buf_put_u8(out, '\n');
}

static void put_one(struct buf *out, const char *label, const json_t *object, const char *member,
		    const char *none)
{
	cli_put_label(out, label);
	put_number(out, json_object_get(object, member), none);
	buf_put_u8(out, '\n');
}

static void put_tenant(struct buf *out, const json_t *object)
{
	admin_put_text(out, "name", object, "name");
	admin_put_text(out, "made by", object, "source");
	admin_put_text(out, "folder", object, "folder");
	admin_put_text(out, "not served", object, "fault");
	put_operations(out, json_object_get(object, "operations"));
	admin_put_text(out, "raw TPM commands", object, "broker");
	put_list(out, "and", json_object_get(object, "allow"));
	put_list(out, "but not", json_object_get(object, "deny"));
	put_usage(out, "keys", json_object_get(object, "keys"), "used");
	put_usage(out, "bytes of secrets", json_object_get(object, "stored"), "used");
	put_usage(out, "connections", json_object_get(object, "connections"), "open");
	put_one(out, "requests a second", object, "rate", "as many as it likes");
	put_one(out, "raw sessions", object, "sessions", NULL);
	put_one(out, "raw objects", object, "objects", NULL);
	put_list(out, "only for", json_object_get(object, "peers"));
	admin_put_text(out, "control group", object, "cgroup");
}

int verb_tenant_show(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	const struct opt opts[] = {OPT_TENANT(&name, complete_tenants)};
	char *json;
	int r;

	r = admin_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_tenant_describe(cli->hf, name, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_tenant);
}

/* --- add --- */

static void put_added(struct buf *out, const json_t *object)
{
	admin_put_text(out, "name", object, "name");
	admin_put_text(out, "folder", object, "folder");
}

static int add(struct cli *cli, const char *name, const struct hf_tenant_policy *policy)
{
	char *json;

	if (hf_tenant_add(cli->hf, name, policy, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_added);
}

int verb_tenant_add(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	struct hf_tenant_policy policy = {.broker = NULL};
	struct opt_list operations = {.count = 0}, peers = {.count = 0};
	struct opt_list allow = {.count = 0}, deny = {.count = 0};
	bool nothing = false;
	const struct opt opts[] = {
		OPT_TENANT(&name, NULL),
		{.kind = OPT_LIST,
		 .name = "operation",
		 .value = "WORD",
		 .help = "what it may do, as holdfast.conf(5) says; default: random, seal, "
			 "key, sign, aik, usage",
		 .list = &operations},
		{.kind = OPT_FLAG,
		 .name = "no-operations",
		 .help = "it may do nothing, for now",
		 .flag = &nothing},
		{.kind = OPT_TEXT,
		 .name = "broker",
		 .value = "SET",
		 .help = "raw TPM commands that it may send: none, read-only, standard or "
			 "full; default: none",
		 .text = &policy.broker},
		{.kind = OPT_LIST,
		 .name = "allow",
		 .value = "COMMAND",
		 .help = "one that is added to the set, such as NV_Write",
		 .list = &allow},
		{.kind = OPT_LIST,
		 .name = "deny",
		 .value = "COMMAND",
		 .help = "one that is taken from it",
		 .list = &deny},
		OPT_NUMBER("sessions", "of raw commands, at a time; default: 16", &policy.sessions),
		OPT_NUMBER("objects", "of raw commands, at a time; default: 64", &policy.objects),
		OPT_NUMBER("keys", "how many it may have; default: 256; 0: no limit", &policy.keys),
		OPT_NUMBER("stored", "bytes that its secrets may take; default: 16 MiB",
			   &policy.stored),
		OPT_NUMBER("rate", "requests a second; default: 200; 0: no limit", &policy.rate),
		OPT_NUMBER("connections", "open at a time; default: 64", &policy.connections),
		{.kind = OPT_LIST,
		 .name = "peer",
		 .value = "uid:N",
		 .help = "a user who may use it; default: whoever reaches its socket",
		 .list = &peers},
		{.kind = OPT_TEXT,
		 .name = "cgroup",
		 .value = "PATH",
		 .help = "whose use is reported to it; default: the caller's",
		 .text = &policy.cgroup},
	};
	int r;

	r = admin_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (operations.count > 0 || nothing)
		policy.operations = operations.items;
	if (peers.count > 0)
		policy.peers = peers.items;
	if (allow.count > 0)
		policy.allow = allow.items;
	if (deny.count > 0)
		policy.deny = deny.items;
	return add(cli, name, &policy);
}

/* --- list --- */

struct rows {
	struct buf out;
	bool json;
	bool any;
};

static void add_json(struct rows *rows, const struct hf_tenant *tenant)
{
	const struct {
		const char *before;
		const char *text;
	} members[] = {{"{\"name\":", tenant->name},
		       {",\"source\":", tenant->source},
		       {",\"folder\":", tenant->folder},
		       {",\"fault\":", tenant->fault}};
	size_t i;

	buf_put_str(&rows->out, rows->any ? "," : "");
	for (i = 0; i < ARRAY_LEN(members); i++) {
		buf_put_str(&rows->out, members[i].before);
		if (members[i].text[0] != '\0')
			json_put_string(&rows->out, members[i].text);
		else
			buf_put_str(&rows->out, "null");
	}
	buf_put_u8(&rows->out, '}');
}

static int add_row(void *arg, const struct hf_tenant *tenant)
{
	struct rows *rows = arg;

	if (rows->json) {
		add_json(rows, tenant);
	} else {
		buf_printf(&rows->out, "%-*s ", NAME_COLUMN, tenant->name);
		cli_put_text(&rows->out, tenant->source);
		buf_printf(&rows->out, "%*s",
			   (int)(strlen(tenant->source) < SOURCE_COLUMN
					 ? SOURCE_COLUMN - strlen(tenant->source)
					 : 1),
			   "");
		cli_put_text(&rows->out, tenant->fault[0] != '\0' ? tenant->fault : tenant->folder);
		buf_put_u8(&rows->out, '\n');
	}
	rows->any = true;
	return 0;
}

int verb_tenant_list(struct cli *cli, struct opt_words words)
{
	struct rows rows = {.out = BUF_INIT(LIST_MAX)};
	int r;

	r = admin_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	rows.json = cli->json;
	buf_put_str(&rows.out, rows.json ? "{\"tenants\":[" : "");
	r = hf_tenant_list(cli->hf, add_row, &rows);
	buf_put_str(&rows.out, rows.json ? "]}\n" : "");
	r = r < 0 ? cli_fail_hf(cli) : cli_print(cli, &rows.out);
	buf_fini(&rows.out);
	return r;
}

/* --- remove --- */

int verb_tenant_remove(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	bool yes = false;
	const struct opt opts[] = {
		OPT_TENANT(&name, complete_tenants),
		{.kind = OPT_FLAG,
		 .name = "yes",
		 .help = "do not ask; needed where there is no terminal",
		 .flag = &yes},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r < 0 && !yes)
		r = admin_confirm(cli, MEANING);
	if (r < 0)
		r = admin_open(cli);
	if (r >= 0)
		return r;
	return hf_tenant_remove(cli->hf, name) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, name);
}
