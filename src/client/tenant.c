/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, on the administrator's socket. Numbers are given as text, so that none means its
 * default. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/list.h"

#define REQUEST_MAX (64u * 1024u)
#define DIGITS_MAX  19u

static const struct list_of TENANTS = {.room = "/v1/admin/tenants", .member = "tenants"};

static bool is_number(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= DIGITS_MAX && text[len] == '\0' && (text[0] != '0' || len == 1);
}

static int put_numbers(struct hf *hf, struct buf *body, const struct hf_tenant_policy *policy)
{
	const struct {
		const char *name;
		const char *text;
	} numbers[] = {{"keys", policy->keys},	       {"stored", policy->stored},
		       {"rate", policy->rate},	       {"connections", policy->connections},
		       {"sessions", policy->sessions}, {"objects", policy->objects}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!numbers[i].text)
			continue;
		if (!is_number(numbers[i].text))
			return err_set(&hf->err, ERR_INVALID,
				       "%s must be a whole number in decimal digits",
				       numbers[i].name);
		body_put_json(body, numbers[i].name, numbers[i].text);
	}
	return 0;
}

int hf_tenant_add(struct hf *hf, const char *name, const struct hf_tenant_policy *policy,
		  char **ret_json)
{
	static const struct hf_tenant_policy DEFAULTS = {.broker = NULL};
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	const struct post post = {.path = TENANTS.room, .body = &body};
	char unused[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, unused, TENANTS.room, name, "");
	if (r < 0)
		return r;
	if (!policy)
		policy = &DEFAULTS;
	body_begin(&body);
	body_put(&body, "name", name);
	body_put_texts(&body, "operations", policy->operations);
	body_put_texts(&body, "peers", policy->peers);
	body_put_texts(&body, "allow", policy->allow);
	body_put_texts(&body, "deny", policy->deny);
	body_put(&body, "broker", policy->broker);
	body_put(&body, "cgroup", policy->cgroup);
	r = put_numbers(hf, &body, policy);
	return r < 0 ? r : ask_post_text(hf, &post, ret_json);
}

int hf_tenant_describe(struct hf *hf, const char *name, char **ret_json)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, TENANTS.room, name, "");
	return r < 0 ? r : ask_text(hf, path, ret_json);
}

int hf_tenant_remove(struct hf *hf, const char *name)
{
	return call_delete(hf, TENANTS.room, name);
}

/* --- the list --- */

struct walk {
	hf_tenant_fn visit;
	void *arg;
};

static const char *text_or_empty(const json_t *item, const char *member)
{
	const char *text = json_string_value(json_object_get(item, member));

	return text ? text : "";
}

static int visit_tenant(struct hf *hf, const json_t *item, const char *name, void *arg)
{
	const struct walk *walk = arg;
	const struct hf_tenant tenant = {
		.name = name,
		.source = text_or_empty(item, "source"),
		.folder = text_or_empty(item, "folder"),
		.fault = text_or_empty(item, "fault"),
	};

	if (tenant.source[0] == '\0')
		return call_unexpected(hf, "a tenant in the list");
	return walk->visit(walk->arg, &tenant);
}

int hf_tenant_list(struct hf *hf, hf_tenant_fn visit, void *arg)
{
	struct walk walk = {.visit = visit, .arg = arg};

	call_begin(hf);
	return list_walk(hf, &TENANTS, visit_tenant, &walk);
}
