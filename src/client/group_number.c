/* SPDX-License-Identifier: Apache-2.0 */
#include "client/group.h"

#include <stdio.h>

void group_name(gid_t gid, char *ret_name, size_t size)
{
	(void)snprintf(ret_name, size, "%lu", (unsigned long)gid);
}
