/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's part is kept apart from the machine's, so that a daemon that begins anew can
 * be told whether the file has moved something.
 */
#include "cmd/holdfastd/confined.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/holdfastd/machine.h"
#include "server/folder.h"

#define STATE_MODE 0700

/* --- the TPM --- */

static const char *const NODES[] = {"/dev/tpm0", "/dev/tpmrm0"};

#define LIBRARY "libtss2-tcti-"

/* The TSS takes "swtpm:..", and the name of its library, "libtss2-tcti-swtpm.so.0:..", as well. */
static bool is_tcti(const char *tcti, const char *name)
{
	size_t prefix = strncmp(tcti, LIBRARY, strlen(LIBRARY)) == 0 ? strlen(LIBRARY) : 0;
	const char *at = tcti + prefix;

	if (strncmp(at, name, strlen(name)) != 0)
		return false;
	at += strlen(name);
	if (prefix > 0 && strncmp(at, ".so", 3) == 0)
		at += strcspn(at, ":");
	return *at == '\0' || *at == ':';
}

/* What we can judge the needs of. */
static void warn_of_others(const char *tcti)
{
	static const char *const KNOWN[] = {"device", "swtpm", "mssim", "tabrmd"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(KNOWN); i++)
		if (is_tcti(tcti, KNOWN[i]))
			return;
	if (tcti[0] != '\0')
		log_warning(
			"tcti: none of device, swtpm, mssim and tabrmd: it may need what is given "
			"up now");
}

/* swtpm:path=.. is a Unix socket, which needs nothing. */
static bool is_remote(const char *tcti)
{
	return is_tcti(tcti, "mssim") || (is_tcti(tcti, "swtpm") && !strstr(tcti, "path="));
}

/* NULL where none is named. */
static const char *node_of(const char *tcti)
{
	const char *colon = is_tcti(tcti, "device") ? strchr(tcti, ':') : NULL;

	return colon && colon[1] != '\0' ? colon + 1 : NULL;
}

static void plan_tpm(const struct conf *conf, struct cage *cage)
{
	const char *tcti = conf->tpm.tcti;

	cage->inet = cage->tcp_connect = is_remote(tcti);
	cage->abstract = is_tcti(tcti, "tabrmd");
	warn_of_others(tcti);
	cage_add(cage, node_of(tcti), CONFINE_CHANGE);
	cage_add_folder_of(cage, conf->tpm.owner_auth_file, CONFINE_READ);
	cage_add_folder_of(cage, conf->tpm.endorsement_auth_file, CONFINE_READ);
	cage_add_folder_of(cage, conf->tpm.lockout_auth_file, CONFINE_READ);
}

static bool add_usual_nodes(struct cage *cage)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(NODES); i++) {
		any = any || access(NODES[i], F_OK) == 0;
		cage_add(cage, NODES[i], CONFINE_CHANGE);
	}
	return any;
}

/*
 * A rule cannot name a node that is not there. Only where one is still to come is the folder of
 * devices open, and then all nodes in it that our user may open.
 */
static void add_nodes(const struct daemon *daemon, struct cage *cage)
{
	const char *tcti = daemon->conf->tpm.tcti;
	const char *named = node_of(tcti);
	bool any;

	if (tcti[0] != '\0' && !is_tcti(tcti, "device"))
		return;
	any = named ? access(named, F_OK) == 0 : add_usual_nodes(cage);
	if (!any && (daemon->wish == SELECT_TPM || machine_announces_tpm()))
		cage_add_folder_of(cage, named ? named : NODES[0], CONFINE_CHANGE);
}

/* --- all of it --- */

static void plan_device(const struct conf *conf, struct cage *cage)
{
	const struct conf_device *device = &conf->device;

	cage_add(cage, device->config_dir[0] ? device->config_dir : "/config", CONFINE_WRITE);
	cage_add(cage, device->persist_dir[0] ? device->persist_dir : "/persist", CONFINE_WRITE);
}

int confined_plan(const struct daemon *daemon, struct cage *ret_cage, struct err *err)
{
	const struct conf *conf = daemon->conf;
	/* Records go to the quarantine, and tenants aside: from folder to folder. */
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_DAEMON, .moves = true};

	cage_add(&cage, conf->state_dir, CONFINE_WRITE);
	cage_add(&cage, conf->run_dir, CONFINE_WRITE | CONFINE_SOCKETS);
	cage_add_folder_of(&cage, daemon->conf_path, CONFINE_READ);
	cage_add(&cage, "/etc/tpm2-tss", CONFINE_READ);
	cage_add(&cage, conf->tpm2.fapi.profile_dir, CONFINE_READ);
	cage_add_folder_of(&cage, conf->tpm2.fapi.firmware_log_file, CONFINE_READ);
	plan_device(conf, &cage);
	plan_tpm(conf, &cage);
	if (cage.failed)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_cage = cage;
	cage = (struct cage){.count = 0};
	return 0;
}

/* What is there of others is opened again, and complained about, by who uses it. */
static void make_folders(const struct conf *conf)
{
	CLEANUP(fd_close_cleanup) int state = -1;
	CLEANUP(fd_close_cleanup) int run = -1;
	struct err ignored;

	(void)!file_open_dir(AT_FDCWD, conf->state_dir, true, STATE_MODE, &state, &ignored);
	(void)!folder_open_run(conf->run_dir, &run, &ignored);
}

/* --- the starter --- */

struct starter_needs {
	const struct conf *conf;
	const char *helper;
};

/* What the helper needs until it confines itself further; all else of the daemon's is not for it.
 */
static int confine_starter(void *arg, struct err *err)
{
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_STARTER};
	const struct starter_needs *needs = arg;
	const struct conf *conf = needs->conf;
	struct cage_report report; /* as the daemon's own, which is logged */

	cage_add_system(&cage);
	/* Its folder may still be to come, or to be made anew, in this one. */
	cage_add(&cage, conf->state_dir, CONFINE_WRITE);
	cage_add(&cage, "/etc/tpm2-tss", CONFINE_READ);
	cage_add(&cage, conf->tpm2.fapi.profile_dir, CONFINE_READ);
	cage_add_program(&cage, needs->helper);
	return cage_close(&cage, &report, err);
}

static int begin_starter(const struct daemon *daemon, struct starter **ret_starter, struct err *err)
{
	CLEANUP(mem_free_cleanup) char *helper = fapi_setup_program();
	CLEANUP(mem_free_cleanup) char *folder = fapi_setup_folder(daemon->conf);
	struct starter_needs needs = {.conf = daemon->conf, .helper = helper};
	const struct starter_plan plan = {
		.program = helper,
		.folder = folder,
		.confine = confine_starter,
		.arg = &needs,
		.longest_s = FAPI_LONGEST_S,
	};

	if (!helper || !folder)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (access(helper, F_OK) < 0) {
		*ret_starter = NULL;
		return 0;
	}
	return starter_begin(&plan, ret_starter, err);
}

int confined_begin(const struct daemon *daemon, struct cage *plan, struct starter **ret_starter,
		   struct err *err)
{
	CLEANUP(starter_cleanup) struct starter *starter = NULL;
	struct cage_report report;
	char text[CAGE_TEXT_MAX];
	size_t count = plan->count;
	int r;

	make_folders(daemon->conf);
	r = begin_starter(daemon, &starter, err);
	if (r < 0)
		return r;
	cage_add_system(plan);
	cage_add(plan, "/sys/class/tpm", CONFINE_READ);
	cage_add(plan, "/sys/fs/cgroup", CONFINE_READ);
	add_nodes(daemon, plan);
	r = cage_close(plan, &report, err);
	cage_cut(plan, count);
	if (r < 0)
		return r;
	log_at(cage_print(&report, text), "%s", text);
	*ret_starter = TAKE(starter);
	return 0;
}

int confined_again(const struct daemon *daemon, const struct cage *first, struct err *err)
{
	CLEANUP(cage_fini) struct cage plan = {.count = 0};
	int r = confined_plan(daemon, &plan, err);

	if (r < 0 || cage_same(&plan, first))
		return r;
	return err_set(err, ERR_CONFLICT,
		       "%s names other files or folders, or another TPM, than when this process "
		       "confined itself; start it again",
		       daemon->conf_path);
}
