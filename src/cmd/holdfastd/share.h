/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_SHARE_H
#define CMD_HOLDFASTD_SHARE_H

/*
 * Share: FAPI's files in the folders of tenants who may send TPM commands, written as soon as FAPI
 * is provisioned. Loop only, but for share_work().
 */

struct tenants;

/* Brings the files of all of them up to date in the background, now or after what is at work. */
void share_refresh(struct tenants *tenants);

/*
 * The same for who waits: share_work() on any thread, then share_end(), which also tells what went
 * wrong; @arg is what this gave. NULL: there is nothing to do, or it follows what is at work.
 */
void *share_begin(struct tenants *tenants);
void share_work(void *arg);
void share_end(void *arg);

/* Removes those of one. */
void share_forget(struct tenants *tenants, const char *name);

#endif
