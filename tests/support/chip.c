/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/chip.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define READY_TRIES 5000

static void socket_path(const struct chip *chip, struct sockaddr_un *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%s/s", chip->dir);
}

static int answers(const struct chip *chip)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	assert_true(fd >= 0);
	socket_path(chip, &address);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r == 0;
}

static void run_swtpm(const struct chip *chip)
{
	char state[96], server[96], ctrl[112];
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

	snprintf(state, sizeof(state), "dir=%s", chip->dir);
	snprintf(server, sizeof(server), "type=unixio,path=%s/s", chip->dir);
	snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s/s.ctrl", chip->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(quiet, STDERR_FILENO); /* it reports every connection that ends */
	execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
	       "--ctrl", ctrl, "--flags", "not-need-init,startup-clear", (char *)NULL);
	_exit(127);
}

void chip_power_on(struct chip *chip)
{
	struct timespec pause = {.tv_nsec = 1000 * 1000};
	int i;

	chip->pid = fork();
	assert_true(chip->pid >= 0);
	if (chip->pid == 0)
		run_swtpm(chip);
	for (i = 0; i < READY_TRIES && !answers(chip); i++) {
		assert_int_equal(waitpid(chip->pid, NULL, WNOHANG), 0);
		nanosleep(&pause, NULL);
	}
	assert_true(i < READY_TRIES);
}

void chip_power_cut(struct chip *chip)
{
	char path[96];

	if (!chip->pid)
		return;
	kill(chip->pid, SIGKILL);
	waitpid(chip->pid, NULL, 0);
	chip->pid = 0;
	snprintf(path, sizeof(path), "%s/s", chip->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/s.ctrl", chip->dir);
	unlink(path);
}

void chip_new(struct chip *chip)
{
	memset(chip, 0, sizeof(*chip));
	snprintf(chip->dir, sizeof(chip->dir), "/tmp/holdfast-chip.XXXXXX");
	assert_non_null(mkdtemp(chip->dir));
	snprintf(chip->conf, sizeof(chip->conf), "swtpm:path=%s/s", chip->dir);
	chip_power_on(chip);
}

static void empty(const struct chip *chip)
{
	DIR *dir = opendir(chip->dir);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' || entry->d_name[1] == 'l')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

void chip_replace(struct chip *chip)
{
	chip_power_cut(chip);
	empty(chip);
	chip_power_on(chip);
}

void chip_free(struct chip *chip)
{
	chip_power_cut(chip);
	empty(chip);
	rmdir(chip->dir);
}
