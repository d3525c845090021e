/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing here is a substitute for wiping: it narrows what a forgotten copy can leave behind. */
#include "host/limits.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Any byte but 0; glibc fills what is freed with it, above its thread caches. */
#define PERTURB_BYTE 0xa5

static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= LIMITS_FILES)
		return;
	files.rlim_cur = files.rlim_max < LIMITS_FILES ? files.rlim_max : LIMITS_FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int limits_apply(struct err *err)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot turn core dumps off");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot become undumpable");
	/* A file over RLIMIT_FSIZE is to be an error of that write, like a full disk. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot ignore signals");
	(void)umask(077);
	(void)mallopt(M_PERTURB, PERTURB_BYTE);
	raise_files();
	return 0;
}

unsigned limits_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	return files.rlim_cur < UINT32_MAX ? (unsigned)files.rlim_cur : UINT32_MAX;
}
