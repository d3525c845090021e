/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed set of files. A container may have its folder mounted writable, so nothing in there is
 * followed, and no folder that is another user's is written into.
 */
#include "fapi/share.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "fapi/impl.h"

#define DIR_MODE    0755
#define FILE_MODE   0644
#define PROFILE_MAX (32u * 1024u)
#define CONFIG_MAX  4096u
#define MOUNTED	    "/run/holdfast/"
#define PRIVATE	    "~/.local/share/tpm2-tss/"
#define OBJECT	    "object.json"
#define PROFILES    "profiles"
#define SYSTEM	    "system"
#define POLICY	    "policy"

/* The records below the profile's folder; each stands behind those of the folders it lies in. */
static const char *const RECORDS[][3] = {
	{"HE"}, {"HE", "EK"}, {"HN"}, {"HS"}, {"HS", "SRK"}, {"LOCKOUT"},
};

struct fapi_share {
	char profile[FAPI_PROFILE_MAX + 1];
	char profile_file[FAPI_PROFILE_MAX + sizeof(".json")];
	struct buf config;
	struct buf profile_text;
	struct buf records[ARRAY_LEN(RECORDS)];
};

/* --- reading --- */

static int enter(int *dir, const char *name, struct err *err)
{
	int next = -1;
	int r = file_open_dir(*dir, name, false, 0, &next, err);

	if (r < 0)
		return r;
	fd_close_cleanup(dir);
	*dir = next;
	return 0;
}

/* Whole, or torn by a power cut: FAPI does not sync. */
static int read_json(int dir, const char *name, struct buf *ret_text, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r = file_read(dir, name, ret_text, err);

	if (r == 0)
		r = json_parse(buf_slice(ret_text), &json, err);
	if (r == ERR_INVALID || r == ERR_TOO_LARGE)
		r = err->code = ERR_DAMAGED;
	return r;
}

static int read_record(const struct fapi_config *config, const char *const *path,
		       struct buf *ret_text, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = file_open_dir(AT_FDCWD, config->system_dir, false, 0, &dir, err);

	if (r == 0)
		r = enter(&dir, config->profile_name, err);
	for (; r == 0 && *path; path++)
		r = enter(&dir, *path, err);
	return r < 0 ? r : read_json(dir, OBJECT, ret_text, err);
}

static int read_profile(const struct fapi_config *config, struct fapi_share *share, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = file_open_dir(AT_FDCWD, config->profile_dir, false, 0, &dir, err);

	return r < 0 ? r : read_json(dir, share->profile_file, &share->profile_text, err);
}

/* The same as the service's own, but for where things are. */
static int make_config(const struct fapi_config *config, struct fapi_share *share, struct err *err)
{
	const json_t *cert_less = json_object_get(config->json, "ek_cert_less");
	CLEANUP(json_cleanup)
	struct json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "profile_name", config->profile_name,
		"profile_dir", MOUNTED FAPI_SHARE "/" PROFILES "/", "user_dir",
		PRIVATE "user/keystore", "system_dir", MOUNTED FAPI_SHARE "/" SYSTEM "/", "log_dir",
		PRIVATE "eventlog", "tcti", "swtpm:path=" MOUNTED "tpm.sock", "system_pcrs");

	if (!json || (cert_less && json_object_set(json, "ek_cert_less", (json_t *)cert_less) < 0))
		return err_set(err, ERR_INTERNAL, "memory is short");
	json_write(&share->config, json);
	buf_put_u8(&share->config, '\n');
	return buf_ok(&share->config) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int read_all(const struct fapi_config *config, struct fapi_share *share, struct err *err)
{
	size_t i;
	int r;

	(void)snprintf(share->profile, sizeof(share->profile), "%s", config->profile_name);
	(void)snprintf(share->profile_file, sizeof(share->profile_file), "%s.json", share->profile);
	r = make_config(config, share, err);
	if (r == 0)
		r = read_profile(config, share, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(RECORDS); i++)
		r = read_record(config, RECORDS[i], &share->records[i], err);
	return r;
}

int fapi_share_new(const struct fapi_place *place, struct fapi_share **ret_share, struct err *err)
{
	CLEANUP(fapi_share_cleanup) struct fapi_share *share = calloc(1, sizeof(*share));
	CLEANUP(fapi_config_fini) struct fapi_config config = {.json = NULL};
	CLEANUP(fd_close_cleanup) int folder = -1;
	size_t i;
	int r;

	if (!share)
		return err_set(err, ERR_INTERNAL, "memory is short");
	share->config = (struct buf)BUF_INIT(CONFIG_MAX);
	share->profile_text = (struct buf)BUF_INIT(PROFILE_MAX);
	for (i = 0; i < ARRAY_LEN(RECORDS); i++)
		share->records[i] = (struct buf)BUF_INIT(FAPI_OBJECT_JSON_MAX);
	r = file_open_dir(AT_FDCWD, place->folder, false, 0, &folder, err);
	if (r == 0)
		r = fapi_config_read(folder, &config, err);
	if (r == 0)
		r = read_all(&config, share, err);
	if (r < 0)
		return r;
	*ret_share = TAKE(share);
	return 0;
}

void fapi_share_free(struct fapi_share *share)
{
	size_t i;

	if (!share)
		return;
	buf_fini(&share->config);
	buf_fini(&share->profile_text);
	for (i = 0; i < ARRAY_LEN(RECORDS); i++)
		buf_fini(&share->records[i]);
	free(share);
}

/* --- writing --- */

/* Made where it is absent. */
static int enter_own(int *dir, const char *name, struct err *err)
{
	CLEANUP(fd_close_cleanup) int next = -1;
	struct stat st;
	int r = file_open_dir(*dir, name, true, DIR_MODE, &next, err);

	if (r < 0)
		return r;
	if (fstat(next, &st) < 0 || st.st_uid != geteuid())
		return err_set(err, ERR_INVALID, "the folder %s of FAPI's records is not ours",
			       name);
	fd_close_cleanup(dir);
	*dir = next;
	next = -1;
	return 0;
}

/* @path leads to its folder. */
static int write_file(int dir, const char *const *path, const char *name, struct slice text,
		      struct err *err)
{
	CLEANUP(fd_close_cleanup) int at = dup(dir);
	int r = at < 0 ? err_set(err, ERR_INTERNAL, "no descriptor is left") : 0;

	for (; r == 0 && *path; path++)
		r = enter_own(&at, *path, err);
	return r < 0 ? r : file_write(at, name, text, FILE_MODE, FILE_REPLACE, err);
}

/* The configuration last: where it is, all that it names is there too. */
int fapi_share_write(const struct fapi_share *share, int dir, struct err *err)
{
	const char *const profiles[] = {FAPI_SHARE, PROFILES, NULL};
	const char *const policy[] = {FAPI_SHARE, SYSTEM, POLICY, NULL};
	CLEANUP(fd_close_cleanup) int made = -1;
	size_t i;
	int r;

	r = write_file(dir, profiles, share->profile_file, buf_slice(&share->profile_text), err);
	for (i = 0; r == 0 && i < ARRAY_LEN(RECORDS); i++) {
		const char *const path[] = {FAPI_SHARE,	   SYSTEM,	  share->profile,
					    RECORDS[i][0], RECORDS[i][1], NULL};

		r = write_file(dir, path, OBJECT, buf_slice(&share->records[i]), err);
	}
	made = r == 0 ? dup(dir) : -1;
	for (i = 0; r == 0 && policy[i]; i++)
		r = enter_own(&made, policy[i], err);
	return r < 0 ? r
		     : write_file(dir, &policy[ARRAY_LEN(policy) - 1], FAPI_CONFIG,
				  buf_slice(&share->config), err);
}

/* --- removing --- */

#define DEPTH_MAX   6u
#define ENTRIES_MAX 64u /* there are 21: who put more there is left alone with it */

struct removal {
	int dir;
	unsigned depth;
	unsigned *left; /* entries that may still be looked at */
};

static int remove_one(void *arg, const char *name)
{
	const struct removal *removal = arg;
	CLEANUP(fd_close_cleanup) int below = -1;
	struct removal inner = {.depth = removal->depth - 1, .left = removal->left};
	struct err ignored;

	if (*removal->left == 0)
		return 1;
	--*removal->left;
	if (unlinkat(removal->dir, name, 0) == 0 || removal->depth == 0 ||
	    file_open_dir(removal->dir, name, false, 0, &below, &ignored) < 0)
		return 0;
	inner.dir = below;
	(void)!file_list(below, remove_one, &inner, &ignored);
	(void)unlinkat(removal->dir, name, AT_REMOVEDIR);
	return 0;
}

void fapi_share_remove(int dir)
{
	unsigned left = ENTRIES_MAX;
	const struct removal removal = {.dir = dir, .depth = DEPTH_MAX, .left = &left};

	(void)unlinkat(dir, FAPI_CONFIG, 0);
	(void)remove_one((void *)&removal, FAPI_SHARE);
}
