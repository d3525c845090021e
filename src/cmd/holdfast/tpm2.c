/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/tpm2.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_SIZE 2048u

void tpm2_fini(struct tpm2 *tpm2)
{
	stack_tree_fini(&tpm2->tree);
	conf_free(TAKE(tpm2->conf));
}

int tpm2_refuse(const struct cli *cli, const struct err *err)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(LINE_MAX_SIZE);

	if (cli->json) {
		(void)cli_fail(cli, err);
		return CLI_USAGE;
	}
	cli_put_text(&line, err->text);
	buf_put_u8(&line, '\0');
	if (buf_ok(&line))
		(void)fprintf(stderr, "%s\n", (const char *)line.data);
	return CLI_USAGE;
}

int tpm2_open(const struct cli *cli, const char *path, bool must_exist, struct tpm2 *ret_tpm2)
{
	struct err err;
	int r = conf_load(path ? path : TPM2_CONFIG, &ret_tpm2->conf, &err);

	ret_tpm2->none = r == ERR_NOT_FOUND && !path && !must_exist;
	if (ret_tpm2->none)
		r = conf_default(&ret_tpm2->conf, &err);
	if (r == 0) {
		r = stack_render(ret_tpm2->conf, &ret_tpm2->tree, &err);
		if (r < 0)
			(void)err_wrap(&err, "%s", path ? path : TPM2_CONFIG);
	}
	if (r == 0)
		return -1;
	if (r == ERR_INVALID || r == ERR_NOT_FOUND)
		return tpm2_refuse(cli, &err);
	return cli_fail(cli, &err);
}

/* One that is going to be written. */
static bool is_rendered(const struct tpm2 *tpm2, const char *path)
{
	size_t i;

	for (i = 0; i < tpm2->tree.count; i++)
		if (strcmp(stack_path(tpm2->tree.entries[i].part), path) == 0)
			return true;
	return false;
}

int tpm2_check_profile(const struct tpm2 *tpm2, const char *root, struct err *err)
{
	const struct conf_fapi_profile *fapi = &tpm2->conf->tpm2.fapi;
	size_t dir_len = strlen(fapi->profile_dir);
	char path[PATH_MAX];
	int len;

	if (!tpm2->conf->tpm2.enable)
		return 0;
	while (dir_len > 0 && fapi->profile_dir[dir_len - 1] == '/')
		dir_len--;
	len = snprintf(path, sizeof(path), "%s%.*s/%s.json", root, (int)dir_len, fapi->profile_dir,
		       fapi->profile_name);
	if (len > 0 && (size_t)len < sizeof(path) &&
	    (is_rendered(tpm2, path + strlen(root)) || access(path, F_OK) == 0))
		return 0;
	return err_set(err, ERR_INVALID,
		       "profileName = \"%s\" is not allowed; allowed: a profile that is in %s",
		       fapi->profile_name, fapi->profile_dir);
}
