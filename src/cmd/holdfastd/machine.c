/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static bool folder_has_entries(const char *path)
{
	struct dirent *entry;
	bool any = false;
	DIR *dir = opendir(path);

	while (dir && !any && (entry = readdir(dir)))
		any = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return any;
}

bool machine_announces_tpm(void)
{
	return access("/sys/firmware/acpi/tables/TPM2", F_OK) == 0 ||
	       access("/proc/device-tree/firmware/optee", F_OK) == 0 ||
	       folder_has_entries("/sys/class/tpm");
}

bool machine_waits(const struct conf *conf)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec < conf->tpm.wait;
}

void machine_boot_id(char ret_id[static MACHINE_BOOT_ID_MAX])
{
	CLEANUP(fd_close_cleanup) int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret_id, MACHINE_BOOT_ID_MAX - 1);

	ret_id[n > 0 ? n : 0] = '\0';
	ret_id[strcspn(ret_id, "\n")] = '\0';
}
