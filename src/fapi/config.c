/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI reads its configuration with a lenient parser; ours is strict. The file is one that this
 * service made, so a file that only FAPI can read was edited by hand, and the error says where.
 */
#include "base/file.h"
#include "base/json.h"
#include "fapi/impl.h"

#include <limits.h>
#include <string.h>

#define CONFIG_MAX (64u * 1024u)

bool fapi_profile_ok(const char *name)
{
	static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_";
	size_t len = strnlen(name, FAPI_PROFILE_MAX + 1);

	return len > 0 && len <= FAPI_PROFILE_MAX && name[strspn(name, LETTERS)] == '\0';
}

static int get_dir(const struct json_t *json, const char *name, const char **ret_dir,
		   struct err *err)
{
	const char *dir = NULL;
	int r = json_get_string(json, name, true, &dir, err);

	if (r < 0)
		return r;
	if (dir[0] != '/' || strlen(dir) >= PATH_MAX)
		return err_set(err, ERR_INVALID, "/%s: must be an absolute path", name);
	*ret_dir = dir;
	return 0;
}

static int read_members(struct fapi_config *config, struct err *err)
{
	int r = json_get_string(config->json, "profile_name", true, &config->profile_name, err);

	if (r < 0)
		return r;
	if (!fapi_profile_ok(config->profile_name))
		return err_set(err, ERR_INVALID, "/profile_name: not the name of a profile");
	r = get_dir(config->json, "profile_dir", &config->profile_dir, err);
	if (r == 0)
		r = get_dir(config->json, "user_dir", &config->user_dir, err);
	if (r == 0)
		r = get_dir(config->json, "system_dir", &config->system_dir, err);
	return r;
}

int fapi_config_read(int folder, struct fapi_config *ret_config, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CONFIG_MAX);
	CLEANUP(fapi_config_fini) struct fapi_config config = {.json = NULL};
	int r = file_read(folder, FAPI_CONFIG, &text, err);

	if (r < 0)
		return r == ERR_TOO_LARGE ? err_set(err, ERR_DAMAGED, FAPI_CONFIG " is too large")
					  : r;
	r = json_parse(buf_slice(&text), &config.json, err);
	if (r == 0)
		r = read_members(&config, err);
	if (r < 0) {
		err->code = r == ERR_INVALID ? ERR_DAMAGED : r;
		return err_wrap(err, FAPI_CONFIG);
	}
	*ret_config = config;
	config.json = NULL;
	return 0;
}

void fapi_config_fini(struct fapi_config *config)
{
	json_free(config->json);
	config->json = NULL;
}
