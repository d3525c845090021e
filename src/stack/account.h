/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_ACCOUNT_H
#define STACK_ACCOUNT_H

/* Account: names of users and groups as this machine knows them, and who is in which group. */

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_NAME_SIZE 64u

/* The name, cut at its size; where the machine knows none, the number. */
void account_user(uid_t uid, char ret_name[ACCOUNT_NAME_SIZE]);
void account_group(gid_t gid, char ret_name[ACCOUNT_NAME_SIZE]);

bool account_user_exists(const char *name);
/* False when there is none; *ret_gid is then untouched. */
bool account_group_id(const char *name, gid_t *ret_gid);

bool account_among(const gid_t *groups, int count, gid_t gid);
/* Is this process of the group? Would a new session of its user be? */
bool account_session_in(gid_t gid);
bool account_user_in(gid_t gid);

#endif
