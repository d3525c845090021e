/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_MACHINE_H
#define CMD_HOLDFASTD_MACHINE_H

/* Machine: what the machine says of its TPM, and of itself, without opening anything. */

#include <stdbool.h>

#include "conf/conf.h"

#define MACHINE_BOOT_ID_MAX 40u

/* Does the firmware say that there is a TPM, though its driver may not be ready? */
bool machine_announces_tpm(void);

/* Is the time not over that an expected TPM has, since the machine started? */
bool machine_waits(const struct conf *conf);

/* Of the kernel; "" when it tells none. */
void machine_boot_id(char ret_id[static MACHINE_BOOT_ID_MAX]);

#endif
