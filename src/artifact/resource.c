/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed is listed; what is dangerous need not be known. */

#include "artifact/resource.h"

#include "base/mem.h"

static const char *const suffixes[RESOURCE_PARTS] = {
	[RESOURCE_SMALL] = ".small",	 [RESOURCE_BIG] = ".big",
	[RESOURCE_SIG] = ".sig",	 [RESOURCE_MANIFEST] = ".manifest",
	[RESOURCE_PAYLOAD] = ".payload", [RESOURCE_KEYS] = ".keys",
};

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static int check_component(struct slice text, size_t max, const char *what, struct err *err)
{
	bool good = text.len > 0 && text.len <= max && text.data[0] != '.';

	for (size_t i = 0; good && i < text.len; i++)
		good = is_plain(text.data[i]);
	if (good)
		return 0;
	return err_set(err, ERR_INVALID,
		       "%s is not 1 to %zu of A-Z a-z 0-9 . _ - with no dot first", what, max);
}

static bool ends_in(struct slice text, const char *suffix)
{
	size_t len = strlen(suffix);

	return text.len >= len &&
	       slice_equal(slice_of(text.data + text.len - len, len), slice_of(suffix, len));
}

/* @max bytes, and none of the first @parts suffixes. */
static int check_name(struct slice name, size_t max, unsigned parts, struct err *err)
{
	int r = check_component(name, max, "the name", err);

	for (size_t i = 0; r == 0 && i < parts; i++)
		if (ends_in(name, suffixes[i]))
			r = err_set(err, ERR_INVALID, "a name that ends in %s is a part's",
				    suffixes[i]);
	return r;
}

int resource_check(const struct resource *resource, struct err *err)
{
	int r = check_component(resource->folder, RESOURCE_FOLDER_MAX, "the folder", err);

	return r < 0 ? r : check_name(resource->name, RESOURCE_NAME_MAX, RESOURCE_V1_PARTS, err);
}

int resource_check_artifact(const struct resource *resource, struct err *err)
{
	int r = resource_check(resource, err);

	return r < 0 ? r : check_name(resource->name, ARTIFACT_NAME_MAX, RESOURCE_PARTS, err);
}

int resource_file(struct slice name, enum resource_part part, char ret_file[RESOURCE_FILE_MAX + 1],
		  struct err *err)
{
	int r = check_name(name, part < RESOURCE_V1_PARTS ? RESOURCE_NAME_MAX : ARTIFACT_NAME_MAX,
			   RESOURCE_V1_PARTS, err);

	if (r < 0)
		return r;
	memcpy(ret_file, name.data, name.len);
	memcpy(ret_file + name.len, suffixes[part], strlen(suffixes[part]) + 1);
	return 0;
}
