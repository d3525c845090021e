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
	struct call call = {
		.method = "GET",
		.path = path,
		.accept = CALL_JSON,
		.repeatable = true,
		.answer_max = CALL_ANSWER_JSON,
	};
	int len = snprintf(path, sizeof(path), "%s?limit=%u%s%s", list->room, PAGE_NAMES,
			   place->after[0] ? "&after=" : "", place->after);

	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(&hf->err, ERR_INTERNAL, "a path is too long");
	return call_json(hf, &call, &answer, ret_page);
}

static int visit_page(struct hf *hf, const json_t *names, hf_name_fn visit, void *arg)
{
	size_t i;
	int r = 0;

	if (!json_is_array(names))
		return call_unexpected(hf, "the list is missing");
	for (i = 0; r == 0 && i < json_array_size(names); i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(names, i), "name"));

		if (!name || !call_name_is_valid(name))
			return call_unexpected(hf, "a name in the list");
		r = visit(arg, name);
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

int list_walk(struct hf *hf, const struct list_of *list, hf_name_fn visit, void *arg)
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
