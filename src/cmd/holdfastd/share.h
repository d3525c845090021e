/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_SHARE_H
#define CMD_HOLDFASTD_SHARE_H

/*
 * Share: FAPI's files in the folders of tenants who may send TPM commands, written in the
 * background as soon as FAPI is provisioned. Loop only.
 */

struct tenants;

/* Brings the files of all of them up to date, now or after what is at work. */
void share_refresh(struct tenants *tenants);

/* Removes those of one. */
void share_forget(struct tenants *tenants, const char *name);

#endif
