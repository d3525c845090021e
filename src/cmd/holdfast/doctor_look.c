/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thin edge of the doctor. The service's process is looked at through /proc, as everybody may;
 * one that was started by a socket unit is not told by its socket, and then nothing is said of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/doctor.h"
#include "stack/account.h"

#define GROUPS_MAX    256
#define PROC_TEXT_MAX 8192u
#define HASTY_MS      1000u

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text);
}

/* --- the socket --- */

static void look_at_socket_file(struct doctor_socket *socket)
{
	struct stat st;

	if (stat(socket->path, &st) < 0)
		return;
	socket->is_other = !S_ISSOCK(st.st_mode);
	if (!(st.st_mode & S_IWGRP))
		return;
	account_group(st.st_gid, socket->group);
	socket->is_member = account_session_in(st.st_gid);
	socket->is_listed = account_user_in(st.st_gid);
}

/* Connects once without a word; gives the process that listens there. */
static int try_socket(const char *path, pid_t *ret_pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP(fd_close_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval limit = {.tv_sec = 5};
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0)
		return errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		*ret_pid = peer.pid;
	return 0;
}

/* --- the service's process --- */

struct process_ids {
	uid_t uid;
	gid_t groups[GROUPS_MAX]; /* the effective one first */
	int count;
};

/* A file of /proc as a text; "" when it cannot be read. */
static void read_proc(pid_t pid, const char *name, struct buf *ret_text)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	char path[32];
	struct err ignored;

	(void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
	if (file_open_dir(AT_FDCWD, path, false, 0, &dir, &ignored) < 0 ||
	    file_read(dir, name, ret_text, &ignored) < 0)
		buf_reset(ret_text);
	buf_put_u8(ret_text, '\0');
}

/* The rest of the line that begins with @label. */
static const char *line_of(const char *text, const char *label)
{
	size_t len = strlen(label);

	while (text && strncmp(text, label, len) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + len : NULL;
}

static void read_groups(const char *line, struct process_ids *ids)
{
	char *end = NULL;

	while (line && ids->count < GROUPS_MAX) {
		unsigned long gid;

		line += strspn(line, " \t");
		gid = strtoul(line, &end, 10);
		if (end == line || *line == '\n')
			return;
		ids->groups[ids->count++] = (gid_t)gid;
		line = end;
	}
}

static void look_at_process(pid_t pid, struct doctor_process *process, struct process_ids *ids)
{
	CLEANUP(buf_fini) struct buf comm = BUF_INIT(PROC_TEXT_MAX);
	CLEANUP(buf_fini) struct buf status = BUF_INIT(PROC_TEXT_MAX);
	const char *text, *line;
	unsigned long uid = 0, gid = 0;

	read_proc(pid, "comm", &comm);
	read_proc(pid, "status", &status);
	if (!buf_ok(&comm) || !buf_ok(&status) || strcmp((char *)comm.data, "holdfastd\n") != 0)
		return;
	text = (const char *)status.data;
	line = line_of(text, "Uid:");
	if (!line || sscanf(line, "%*u %lu", &uid) != 1)
		return;
	line = line_of(text, "Gid:");
	if (!line || sscanf(line, "%*u %lu", &gid) != 1)
		return;
	*ids = (struct process_ids){.uid = (uid_t)uid, .groups = {(gid_t)gid}, .count = 1};
	read_groups(line_of(text, "Groups:"), ids);
	account_user(ids->uid, process->user);
	process->known = true;
	line = line_of(text, "VmLck:");
	process->memory_known = line && sscanf(line, "%" SCNu64, &process->locked_kib) == 1;
}

/* --- the TPM's devices --- */

static enum doctor_may may_open(const struct stat *st, const struct process_ids *ids)
{
	mode_t needed;

	if (ids->count == 0)
		return DOCTOR_MAY_UNKNOWN;
	if (ids->uid == 0)
		return DOCTOR_MAY;
	if (ids->uid == st->st_uid)
		needed = S_IRUSR | S_IWUSR;
	else if (account_among(ids->groups, ids->count, st->st_gid))
		needed = S_IRGRP | S_IWGRP;
	else
		needed = S_IROTH | S_IWOTH;
	return (st->st_mode & needed) == needed ? DOCTOR_MAY : DOCTOR_MAY_NOT;
}

static void look_at_node(const char *path, const struct process_ids *ids, struct doctor_node *node)
{
	struct stat st;

	node->path = path;
	if (stat(path, &st) < 0)
		return;
	node->exists = true;
	node->is_device = S_ISCHR(st.st_mode);
	node->mode = st.st_mode & 07777;
	account_user(st.st_uid, node->owner);
	account_group(st.st_gid, node->group);
	node->service = may_open(&st, ids);
}

/* --- the service --- */

static void keep_answer(const struct hf *hf, struct doctor_answer *answer)
{
	answer->code = hf_error_code(hf);
	copy_text(answer->text, sizeof(answer->text), hf_error_text(hf));
	copy_text(answer->remedy, sizeof(answer->remedy), hf_error_remedy(hf));
}

/* What it cannot do yet is a finding: nobody waits until it can. */
static void wait_for_nothing(struct hf *hf, const json_t *status)
{
	const char *provider = json_string_value(json_object_get(status, "provider"));

	if (provider && strcmp(provider, "deciding") == 0)
		hf_set_timeout_ms(hf, HASTY_MS);
}

static void ask_service(struct hf *hf, struct doctor_facts *facts)
{
	uint8_t random[16];
	char *text = NULL;
	int r = hf_status_json(hf, &text);

	facts->status = cli_take_object(r, text);
	keep_answer(hf, &facts->status_call);
	if (!facts->status)
		return;
	wait_for_nothing(hf, facts->status);
	(void)hf_random(hf, random, sizeof(random));
	keep_answer(hf, &facts->random_call);
	r = hf_device_json(hf, &text);
	facts->device = cli_take_object(r, text);
}

static void look_at_clock(struct doctor_facts *facts)
{
	struct timex state = {0};

	facts->now = (int64_t)time(NULL);
	facts->synchronised = adjtimex(&state) != TIME_ERROR && !(state.status & STA_UNSYNC);
}

void doctor_look(struct hf *hf, struct doctor_facts *ret_facts)
{
	static const char *const NODES[DOCTOR_NODES] = {"/dev/tpm0", "/dev/tpmrm0"};
	struct process_ids ids = {0};
	pid_t pid = 0;
	size_t i;

	*ret_facts = (struct doctor_facts){.version = HOLDFAST_VERSION};
	ret_facts->socket.path = hf_socket(hf);
	look_at_socket_file(&ret_facts->socket);
	ret_facts->socket.errnum = try_socket(ret_facts->socket.path, &pid);
	if (ret_facts->socket.errnum == 0)
		ask_service(hf, ret_facts);
	if (pid > 0)
		look_at_process(pid, &ret_facts->process, &ids);
	for (i = 0; i < DOCTOR_NODES; i++)
		look_at_node(NODES[i], &ids, &ret_facts->nodes[i]);
	look_at_clock(ret_facts);
}
