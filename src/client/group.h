/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_GROUP_H
#define CLIENT_GROUP_H

/*
 * Group: what a group is called, for people. There are two: group.c asks the system (getgrgid(3)),
 * group_number.c is for a static program, in which glibc cannot load what it asks with.
 */

#include <stddef.h>
#include <sys/types.h>

/* Its name, or its number where it has none. */
void group_name(gid_t gid, char *ret_name, size_t size);

#endif
