/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/access.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define PASSWORD_MAX 256u
#define PATH_MAX_LEN 4096u

/* What an editor puts at the end of the file is no part of it. NULL is none. */
static struct slice password(const struct secret *text)
{
	struct slice bytes = text ? secret_slice(text) : slice_of(NULL, 0);

	if (bytes.len > 0 && bytes.data[bytes.len - 1] == '\n')
		bytes.len--;
	return bytes;
}

/* "" is no password. */
static int read_password(const char *path, const char *option, struct secret **ret_secret,
			 struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	const char *name = strrchr(path, '/');
	char folder[PATH_MAX_LEN];
	int r;

	if (path[0] == '\0')
		return 0;
	name = name ? name + 1 : path;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	r = file_open_dir(AT_FDCWD, name == path ? "." : folder, false, 0, &dir, err);
	if (r == 0)
		r = file_read_secret(dir, name, PASSWORD_MAX, ret_secret, err);
	return r < 0 ? err_wrap(err, "reading the file of tpm { %s }", option) : 0;
}

int access_read(struct access *access, const struct conf *conf, struct err *err)
{
	const struct conf_tpm *tpm = &conf->tpm;
	int r = read_password(tpm->owner_auth_file, "owner_auth_file", &access->owner_auth, err);

	if (r == 0)
		r = read_password(tpm->endorsement_auth_file, "endorsement_auth_file",
				  &access->endorsement_auth, err);
	return r < 0 ? r
		     : read_password(tpm->lockout_auth_file, "lockout_auth_file",
				     &access->lockout_auth, err);
}

void access_fini(struct access *access)
{
	secret_free(access->owner_auth);
	secret_free(access->endorsement_auth);
	secret_free(access->lockout_auth);
	*access = (struct access){.owner_auth = NULL};
}

enum pkey_type access_srk_type(const struct conf *conf)
{
	const char *profile = conf->tpm2.fapi.profile_name;

	if (conf->tpm.srk == CONF_SRK_RSA_2048)
		return PKEY_RSA_2048;
	if (conf->tpm.srk == CONF_SRK_DEFAULT && profile && strncmp(profile, "P_RSA2048", 9) == 0)
		return PKEY_RSA_2048;
	return PKEY_ECC_P256;
}

struct tpm_options access_options(const struct access *access, const struct conf *conf)
{
	return (struct tpm_options){
		.tcti = conf->tpm.tcti,
		.srk_type = access_srk_type(conf),
		.srk_handle = conf->tpm.srk_handle,
		.hsk_handle = conf->tpm.hsk_handle,
		.encrypt = conf->tpm.encrypt,
		.owner_auth = password(access->owner_auth),
		.endorsement_auth = password(access->endorsement_auth),
		.lockout_auth = password(access->lockout_auth),
	};
}
