/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine is root's program, but what it says may come from whoever made an archive: it is cut
 * to a length and made printable before it becomes part of an error.
 */
#include "docker/impl.h"

#include <jansson.h>

#include "base/json.h"

#define SAID_MAX 120u

struct said {
	char text[SAID_MAX];
};

static struct said printable(const char *text)
{
	struct said said = {{0}};

	for (size_t i = 0; text[i] != '\0' && i + 1 < sizeof(said.text); i++)
		said.text[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	return said;
}

int answer_refused(unsigned status, struct slice body, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *answer = NULL;
	struct err unread = {0};
	const char *message = "";
	int code = status == 404 ? ERR_NOT_FOUND : ERR_INTERNAL;

	if (json_parse(body, &answer, &unread) < 0 ||
	    json_get_string(answer, "message", false, &message, &unread) < 0)
		message = "";
	if (message[0] == '\0')
		return err_set(err, code, "Docker answers %u", status);
	return err_set(err, code, "Docker answers %u: %s", status, printable(message).text);
}

int answer_id(struct slice body, char ret_id[DOCKER_ID_MAX], struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *answer = NULL;
	struct err unread = {0};
	const char *id = NULL;

	if (json_parse(body, &answer, &unread) < 0 ||
	    json_get_string(answer, "Id", true, &id, &unread) < 0 ||
	    docker_check_id(id, &unread) < 0)
		return err_set(err, ERR_INTERNAL, "Docker's answer tells no image's id (%s)",
			       printable(unread.text).text);
	memcpy(ret_id, id, strlen(id) + 1);
	return 0;
}

void answer_init(struct answer *answer)
{
	*answer = (struct answer){.item = BUF_INIT(ANSWER_ITEM)};
}

void answer_fini(struct answer *answer)
{
	buf_fini(&answer->item);
}

/* What it says of an error, NULL when it tells of none. Of the wrong type, it is one too. */
static const char *error_of(const struct json_t *item)
{
	const json_t *error = json_object_get(item, "error");
	const json_t *detail = json_object_get(item, "errorDetail");
	const char *text = json_string_value(error);

	if (!error && !detail)
		return NULL;
	if (!text)
		text = json_string_value(json_object_get(detail, "message"));
	return text ? text : "an error of which it says nothing";
}

/* Docker tells one name in a line, podman all of them with commas between. */
static void tell_names(const struct answer *answer, const char *text)
{
	static const char *const begins[] = {"Loaded image: ", "Loaded image(s): "};
	size_t skip = 0;

	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (strncmp(text, begins[i], strlen(begins[i])) == 0)
			skip = strlen(begins[i]);
	if (skip == 0)
		return;
	for (size_t n; *(text += skip) != '\0'; skip = n + (text[n] != '\0')) {
		char ref[DOCKER_REF_MAX];
		struct err unread = {0};

		n = strcspn(text, ", \r\n");
		if (n >= sizeof(ref))
			continue;
		memcpy(ref, text, n);
		ref[n] = '\0';
		if (docker_check_ref(ref, &unread) == 0)
			answer->loaded(answer->arg, ref);
	}
}

static void item_tell(const struct answer *answer, const struct json_t *item)
{
	const char *text = json_string_value(json_object_get(item, "stream"));

	if (text && answer->loaded)
		tell_names(answer, text);
}

static int item_end(struct answer *answer, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *item = NULL;
	struct err unread = {0};
	const char *error;

	if (json_parse(buf_slice(&answer->item), &item, &unread) < 0)
		return err_set(err, ERR_INTERNAL, "Docker's answer is no JSON (%s)",
			       printable(unread.text).text);
	error = error_of(item);
	if (error)
		return err_set(err, ERR_INTERNAL, "Docker could not load the archive: %s",
			       printable(error).text);
	item_tell(answer, item);
	buf_reset(&answer->item);
	return 0;
}

/* Only so much of JSON as it takes to find an object's end; json_parse() looks at the rest. */
static void item_step(struct answer *answer, uint8_t c)
{
	if (answer->escaped) {
		answer->escaped = false;
	} else if (answer->text) {
		answer->escaped = c == '\\';
		answer->text = c != '"';
	} else {
		answer->text = c == '"';
		answer->depth += c == '{';
		answer->depth -= c == '}';
	}
}

static int item_add(struct answer *answer, uint8_t c, struct err *err)
{
	bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';

	if (answer->depth == 0 && blank)
		return 0;
	if (answer->depth == 0 && c != '{')
		return err_set(err, ERR_INTERNAL, "Docker's answer is no JSON object");
	buf_put_u8(&answer->item, c);
	if (!buf_ok(&answer->item))
		return err_set(err, ERR_INTERNAL, "an object in Docker's answer is too large");
	item_step(answer, c);
	return answer->depth == 0 ? item_end(answer, err) : 0;
}

int answer_add(struct answer *answer, struct slice bytes, struct err *err)
{
	int r = 0;

	if (answer->dead)
		return err_set(err, ERR_INTERNAL, "Docker's answer has ended");
	for (size_t i = 0; r == 0 && i < bytes.len; i++)
		r = item_add(answer, bytes.data[i], err);
	answer->dead = r < 0;
	return r;
}

int answer_end(const struct answer *answer, struct err *err)
{
	if (answer->dead || answer->depth > 0)
		return err_set(err, ERR_INTERNAL, "Docker's answer is not whole");
	return 0;
}
