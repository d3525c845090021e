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

#include "tests/support/tool.h"

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

static void make_folder(struct chip *chip)
{
	memset(chip, 0, sizeof(*chip));
	snprintf(chip->dir, sizeof(chip->dir), "/tmp/holdfast-chip.XXXXXX");
	assert_non_null(mkdtemp(chip->dir));
	snprintf(chip->conf, sizeof(chip->conf), "swtpm:path=%s/s", chip->dir);
}

void chip_new(struct chip *chip)
{
	make_folder(chip);
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

/* --- a maker's chip ------------------------------------------------------------------------ */

/* Whatever the maker's program writes goes into the chip's own folder. */
static void write_setup(const struct chip *chip)
{
	char text[512];
	int len;

	len = snprintf(text, sizeof(text),
		       "create_certs_tool = swtpm_localca\n"
		       "create_certs_tool_config = %s/localca.conf\n"
		       "create_certs_tool_options = %s/localca.options\n"
		       "active_pcr_banks = sha256\n",
		       chip->dir, chip->dir);
	tool_write(chip->dir, "setup.conf", slice_of(text, (size_t)len));
	len = snprintf(text, sizeof(text),
		       "statedir = %s\nsigningkey = %s/signkey.pem\nissuercert = %s/" CHIP_ISSUER
		       "\ncertserial = %s/certserial\n",
		       chip->dir, chip->dir, chip->dir, chip->dir);
	tool_write(chip->dir, "localca.conf", slice_of(text, (size_t)len));
	tool_write(chip->dir, "localca.options",
		   slice_str("--platform-manufacturer test\n--platform-version 1\n"
			     "--platform-model test\n"));
}

/* Made once in a process, since it takes the maker seconds; each chip begins as a copy. */
static struct chip sample;
static char sample_bits[8];

static void sample_drop(void)
{
	empty(&sample);
	rmdir(sample.dir);
}

static void sample_make(const char *rsa_bits)
{
	char setup[96];

	if (sample_bits[0])
		sample_drop();
	else
		atexit(sample_drop);
	make_folder(&sample);
	snprintf(sample_bits, sizeof(sample_bits), "%s", rsa_bits);
	write_setup(&sample);
	snprintf(setup, sizeof(setup), "%s/setup.conf", sample.dir);
	assert_int_equal(TOOL_RUN("swtpm_setup", "--tpm2", "--tpmstate", sample.dir, "--config",
				  setup, "--create-ek-cert", "--create-platform-cert",
				  "--lock-nvram", "--rsa-keysize", rsa_bits),
			 0);
}

void chip_new_made(struct chip *chip, const char *rsa_bits)
{
	if (strcmp(sample_bits, rsa_bits) != 0)
		sample_make(rsa_bits);
	make_folder(chip);
	assert_int_equal(TOOL_RUN("cp", "-rT", sample.dir, chip->dir), 0);
	chip_power_on(chip);
}
