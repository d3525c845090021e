/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each page says which name the next one begins after. The walk ends by its deadline at the
 * latest, whatever the other end says.
 */
#include "client/list.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"

#define PAGE_NAMES 1000u

/* Where the next page begins; "" at the first one, and after the last one. */
struct list_place {
	char after[CALL_NAME_MAX + 1];
};

static int fetch_page(struct hf *hf, const struct list_of *list, const struct list_place *place,
		      struct json_t **ret_page)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	char path[CALL_PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s?limit=%u%s%s", list->room, PAGE_NAMES,
			   place->after[0] ? "&after=" : "", place->after);

	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(&hf->err, ERR_INTERNAL, "a path is too long");
	return ask_get(hf, path, &answer, ret_page);
}

static int visit_page(struct hf *hf, const json_t *items, list_fn visit, void *arg)
{
	size_t i;
	int r = 0;

	if (!json_is_array(items))
		return call_unexpected(hf, "the list is missing");
	for (i = 0; r == 0 && i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		const char *name = json_string_value(json_object_get(item, "name"));

		if (!name || !call_name_is_valid(name))
			return call_unexpected(hf, "a name in the list");
		r = visit(hf, item, name, arg);
	}
	return r;
}

static int take_next(struct hf *hf, const json_t *next, struct list_place *place)
{
	const char *name = json_string_value(next);

	place->after[0] = '\0';
	if (!next || json_is_null(next))
		return 0;
	if (!name || !call_name_is_valid(name))
		return call_unexpected(hf, "where the list goes on");
	memcpy(place->after, name, strlen(name) + 1);
	return 0;
}

int list_walk(struct hf *hf, const struct list_of *list, list_fn visit, void *arg)
{
	struct list_place place = {""};
	int r;

	do {
		CLEANUP(json_cleanup) struct json_t *page = NULL;

		r = fetch_page(hf, list, &place, &page);
		if (r == 0)
			r = visit_page(hf, json_object_get(page, list->member), visit, arg);
		if (r == 0)
			r = take_next(hf, json_object_get(page, "next"), &place);
	} while (r == 0 && place.after[0] != '\0');
	return r;
}

struct names {
	hf_name_fn visit;
	void *arg;
};

static int visit_name(struct hf *hf, const json_t *item, const char *name, void *arg)
{
	const struct names *names = arg;

	(void)hf;
	(void)item;
	return names->visit(names->arg, name);
}

int list_names(struct hf *hf, const struct list_of *list, hf_name_fn visit, void *arg)
{
	struct names names = {.visit = visit, .arg = arg};

	return list_walk(hf, list, visit_name, &names);
}
