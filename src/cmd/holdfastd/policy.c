/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reading of a policy for the file and for JSON: every value of a JSON object becomes the text
 * that would stand in the file, and conf judges it.
 */
#include "cmd/holdfastd/policy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define NUMBER_SIZE 32u

_Static_assert(TENANT_RANDOM == (int)CONF_OP_RANDOM && TENANT_SEAL == (int)CONF_OP_SEAL &&
		       TENANT_KEY == (int)CONF_OP_KEY && TENANT_SIGN == (int)CONF_OP_SIGN &&
		       TENANT_AIK == (int)CONF_OP_AIK && TENANT_USAGE == (int)CONF_OP_USAGE &&
		       TENANT_DECRYPT == (int)CONF_OP_DECRYPT &&
		       TENANT_IMPORT == (int)CONF_OP_IMPORT &&
		       TENANT_EXPORT == (int)CONF_OP_EXPORT &&
		       TENANT_UNWRAP == (int)CONF_OP_UNWRAP &&
		       TENANT_DEVICE_SIGN == (int)CONF_OP_DEVICE_SIGN &&
		       TENANT_DEVICE_TLS == (int)CONF_OP_DEVICE_TLS &&
		       TENANT_DEVICE_RAW == (int)CONF_OP_DEVICE_RAW,
	       "the configuration's words are the tenant's rights");

/* --- what it means --- */

/* The reader has checked that each is "uid:N". A list that cannot be kept must not let all in. */
static int peers_of(const struct conf_list *list, uid_t **ret_peers, struct err *err)
{
	uid_t *peers;
	size_t i;

	if (list->count == 0)
		return 0;
	peers = calloc(list->count, sizeof(*peers));
	if (!peers)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (i = 0; i < list->count; i++)
		peers[i] = (uid_t)strtoul(list->items[i] + strlen("uid:"), NULL, 10);
	*ret_peers = peers;
	return 0;
}

/* The names were checked when they were read. */
static struct command_list commands_of(const struct conf_list *names)
{
	struct command_list list = {.bits = {0}};
	size_t i;

	for (i = 0; i < names->count; i++) {
		const struct command *command = commands_by_name(names->items[i]);

		if (command)
			command_list_add(&list, command);
	}
	return list;
}

int policy_of(const struct conf_tenant *conf, struct tenant_policy *ret_policy, uid_t **ret_peers,
	      struct err *err)
{
	bool host = strcmp(conf->name, POLICY_HOST) == 0;
	struct tenant_policy policy = {
		.rights = conf->operations | (host ? (uint32_t)TENANT_HOST_ONLY : 0),
		.connections_max = conf->connections,
		.keys_max = conf->keys,
		.stored_max = conf->stored,
		.rate = conf->rate,
		.raw = {.set = conf->broker,
			.allow = commands_of(&conf->allow),
			.deny = commands_of(&conf->deny)},
		.objects_max = conf->objects,
		.sessions_max = conf->sessions,
		.peer_count = conf->peers.count,
	};
	uid_t *peers = NULL;
	int r = peers_of(&conf->peers, &peers, err);

	if (r < 0)
		return r;
	policy.peers = peers;
	(void)snprintf(policy.cgroup, sizeof(policy.cgroup), "%s", conf->cgroup);
	*ret_policy = policy;
	*ret_peers = peers;
	return 0;
}

/* --- from JSON --- */

enum member_kind { MEMBER_TEXT, MEMBER_NUMBER, MEMBER_LIST };

static const struct member {
	const char *name;
	enum member_kind kind;
} MEMBERS[] = {
	{"operations", MEMBER_LIST}, {"broker", MEMBER_TEXT},	 {"keys", MEMBER_NUMBER},
	{"stored", MEMBER_NUMBER},   {"rate", MEMBER_NUMBER},	 {"connections", MEMBER_NUMBER},
	{"sessions", MEMBER_NUMBER}, {"objects", MEMBER_NUMBER}, {"peers", MEMBER_LIST},
	{"cgroup", MEMBER_TEXT},     {"allow", MEMBER_LIST},	 {"deny", MEMBER_LIST},
};

static int wrong_type(const char *where, const char *wanted, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s: must be %s", where, wanted);
}

static int take_list(struct conf_tenant *conf, const char *name, const json_t *list,
		     struct err *err)
{
	char where[NUMBER_SIZE * 2];
	size_t i;
	int r;

	if (!json_is_array(list)) {
		(void)snprintf(where, sizeof(where), "/%s", name);
		return wrong_type(where, "an array of strings", err);
	}
	conf_tenant_empty(conf, name);
	for (i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		(void)snprintf(where, sizeof(where), "/%s/%zu", name, i);
		if (!text)
			return wrong_type(where, "a string", err);
		r = conf_tenant_set(conf, name, text, err);
		if (r < 0)
			return err_wrap(err, "%s", where);
	}
	return 0;
}

static int take_scalar(struct conf_tenant *conf, const struct member *member, const json_t *value,
		       struct err *err)
{
	const char *text = json_string_value(value);
	char number[NUMBER_SIZE];
	char where[NUMBER_SIZE];
	int r;

	(void)snprintf(where, sizeof(where), "/%s", member->name);
	if (member->kind == MEMBER_NUMBER) {
		if (!json_is_integer(value))
			return wrong_type(where, "a whole number", err);
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		text = number;
	} else if (!text) {
		return wrong_type(where, "a string", err);
	}
	r = conf_tenant_set(conf, member->name, text, err);
	return r < 0 ? err_wrap(err, "%s", where) : 0;
}

int policy_from_json(const char *name, const struct json_t *object, struct conf_tenant **ret_conf,
		     struct err *err)
{
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *conf = NULL;
	size_t i;
	int r = conf_tenant_default(name, &conf, err);

	for (i = 0; r == 0 && i < ARRAY_LEN(MEMBERS); i++) {
		const json_t *value = json_object_get(object, MEMBERS[i].name);

		if (!value)
			continue;
		r = MEMBERS[i].kind == MEMBER_LIST ? take_list(conf, MEMBERS[i].name, value, err)
						   : take_scalar(conf, &MEMBERS[i], value, err);
	}
	if (r == 0)
		*ret_conf = TAKE(conf);
	return r;
}

/* --- as it is kept --- */

int policy_to_text(const struct json_t *object, struct buf *ret_text, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *copy = json_object();
	CLEANUP(buf_fini) struct buf text = BUF_INIT(POLICY_JSON_MAX);
	bool whole = copy != NULL;
	size_t i;

	for (i = 0; whole && i < ARRAY_LEN(MEMBERS); i++) {
		json_t *value = json_object_get(object, MEMBERS[i].name);

		whole = !value || json_object_set(copy, MEMBERS[i].name, value) == 0;
	}
	if (!whole)
		return err_set(err, ERR_INTERNAL, "memory is short");
	json_write(&text, copy);
	if (!buf_ok(&text))
		return err_set(err, ERR_TOO_LARGE, "the policy is over %u bytes", POLICY_JSON_MAX);
	buf_put(ret_text, buf_slice(&text));
	return buf_ok(ret_text) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int policy_parse(const char *name, struct slice text, struct conf_tenant **ret_conf,
		 struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *names[ARRAY_LEN(MEMBERS)];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(MEMBERS); i++)
		names[i] = MEMBERS[i].name;
	r = json_parse(text, &object, err);
	if (r == 0)
		r = json_only(object, names, ARRAY_LEN(names), err);
	if (r == 0)
		r = policy_from_json(name, object, ret_conf, err);
	if (r == 0 || r == ERR_INTERNAL)
		return r;
	err->code = ERR_UNREADABLE;
	return err_wrap(err, "the tenant's policy cannot be read");
}

/* --- as it is shown --- */

static json_t *list_json(const struct conf_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->count; i++)
		(void)json_array_append_new(array, json_string(list->items[i]));
	if (array && json_array_size(array) == list->count)
		return array;
	json_free(array);
	return NULL;
}

static json_t *operations_json(uint32_t operations)
{
	json_t *array = json_array();
	size_t count = 0;
	unsigned i;

	for (i = 0; i < 32; i++) {
		const char *word = conf_operation_word((enum conf_operation)(UINT32_C(1) << i));

		if (!word || !(operations & UINT32_C(1) << i))
			continue;
		(void)json_array_append_new(array, json_string(word));
		count++;
	}
	if (array && json_array_size(array) == count)
		return array;
	json_free(array);
	return NULL;
}

static json_t *limit_json(uint64_t limit)
{
	return json_pack("{s:o}", "limit",
			 limit > 0 ? json_integer((json_int_t)limit) : json_null());
}

bool policy_describe(const struct conf_tenant *conf, struct json_t *object)
{
	json_t *more =
		json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:s}", "operations",
			  operations_json(conf->operations), "broker",
			  command_set_word(conf->broker), "allow", list_json(&conf->allow), "deny",
			  list_json(&conf->deny), "keys", limit_json(conf->keys), "stored",
			  limit_json(conf->stored), "rate", (json_int_t)conf->rate, "sessions",
			  (json_int_t)conf->sessions, "objects", (json_int_t)conf->objects, "peers",
			  list_json(&conf->peers), "cgroup", conf->cgroup);
	int r = more ? json_object_update(object, more) : -1;

	json_free(more);
	return r == 0;
}
