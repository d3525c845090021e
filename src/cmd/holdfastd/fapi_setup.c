/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper is the one that was built together with this very program: beside it, or in the build
 * folder's place for it; else the installed one.
 */
#include "cmd/holdfastd/fapi_setup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/holdfastd/access.h"
#include "fapi/starter.h"

#define HELPER	     "holdfast-fapi"
#define MACHINE_CONF "/etc/tpm2-tss/fapi-config.json"

/* Joins; memory that is short is told by NULL. */
static char *join(const char *folder, const char *rest)
{
	char *path = NULL;

	return asprintf(&path, "%s%s", folder, rest) < 0 ? NULL : path;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The folder of this program; "" when nobody knows. */
static void own_folder(char ret_folder[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret_folder, PATH_MAX - 1);
	char *slash;

	ret_folder[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret_folder, '/');
	if (slash)
		*slash = '\0';
}

char *fapi_setup_program(void)
{
	static const char *const PLACES[] = {"/" HELPER, "/../" HELPER "/" HELPER};
	char folder[PATH_MAX];
	size_t i;

	own_folder(folder);
	for (i = 0; i < ARRAY_LEN(PLACES) && folder[0] != '\0'; i++) {
		CLEANUP(mem_free_cleanup) char *path = join(folder, PLACES[i]);

		if (path && is_program(path))
			return TAKE(path);
	}
	return strdup(HOLDFAST_LIBEXECDIR "/" HELPER);
}

char *fapi_setup_folder(const struct conf *conf)
{
	return join(conf->state_dir, "/fapi");
}

static void reserve(struct fapi_setup *setup, uint32_t handle)
{
	if (handle != 0)
		setup->reserved[setup->reserved_count++] = handle;
}

int fapi_setup_init(struct fapi_setup *setup, const struct conf *conf,
		    const struct starter *starter, struct err *err)
{
	struct service_fapi *fapi = &setup->fapi;

	fapi->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fapi->stop_fd < 0)
		return err_set(err, ERR_INTERNAL, "cannot make an eventfd");
	setup->program = fapi_setup_program();
	setup->folder = fapi_setup_folder(conf);
	setup->run = join(conf->run_dir, "/fapi");
	if (!setup->program || !setup->folder || !setup->run)
		return err_set(err, ERR_INTERNAL, "memory is short");
	fapi->place = (struct fapi_place){.program = setup->program,
					  .starter = starter,
					  .folder = setup->folder,
					  .run = setup->run};
	/* The profile of the SRK that we make: so FAPI shares it. */
	fapi->wish = (struct fapi_wish){
		.profile_name = access_srk_type(conf) == PKEY_RSA_2048 ? "P_RSA2048SHA256"
								       : "P_ECCP256SHA256",
		.ek_cert_less = conf->tpm2.fapi.ek_cert_less,
		.machine = MACHINE_CONF,
	};
	reserve(setup, conf->tpm.hsk_handle);
	reserve(setup, conf->device.handle);
	return 0;
}

static void starter_ended(void *arg, uint32_t events)
{
	struct fapi_setup *setup = arg;
	struct err err;

	(void)events;
	loop_unwatch(TAKE(setup->watch));
	if (starter_check(setup->fapi.place.starter, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "FAPI");
}

int fapi_setup_watch(struct fapi_setup *setup, struct loop *loop, struct err *err)
{
	const struct starter *starter = setup->fapi.place.starter;

	return starter ? loop_watch(loop, starter_end(starter), EPOLLIN, starter_ended, setup,
				    &setup->watch, err)
		       : 0;
}

void fapi_setup_stop(struct fapi_setup *setup)
{
	if (setup->fapi.stop_fd > 0)
		(void)eventfd_write(setup->fapi.stop_fd, 1);
}

void fapi_setup_fini(struct fapi_setup *setup)
{
	loop_unwatch(TAKE(setup->watch));
	if (setup->fapi.stop_fd > 0)
		close(setup->fapi.stop_fd);
	free(setup->program);
	free(setup->folder);
	free(setup->run);
}
