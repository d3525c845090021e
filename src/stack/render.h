/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_RENDER_H
#define STACK_RENDER_H

/*
 * Render: section tpm2 of the configuration as the files that the programs around the TPM read.
 * Pure: the same configuration gives the same bytes, and nothing of the machine is looked at.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct conf;

#define STACK_ENTRIES_MAX 16u
#define STACK_CONTENT_MAX 16384u /* bytes of one file */

/* What an entry is for; each is at one place that is known beforehand. */
enum stack_part {
	STACK_UDEV_RULES,   /* /etc/udev/rules.d/70-holdfast-tpm2.rules */
	STACK_UDEV_TRIGGER, /* /etc/systemd/system/holdfast-tpm2-udev.service, and its link */
	STACK_UDEV_WANTED,
	STACK_SYSUSERS,	  /* /etc/sysusers.d/holdfast-tpm2.conf */
	STACK_TMPFILES,	  /* /etc/tmpfiles.d/holdfast-tpm2.conf */
	STACK_ABRMD_UNIT, /* /etc/systemd/system/tpm2-abrmd.service, and its link */
	STACK_ABRMD_WANTED,
	STACK_ABRMD_BUS,     /* /etc/dbus-1/system.d/holdfast-tpm2-abrmd.conf */
	STACK_PKCS11_MODULE, /* /etc/pkcs11/modules/tpm2_pkcs11.module */
	STACK_PROFILE,	     /* /etc/profile.d/holdfast-tpm2.sh */
	STACK_ENVIRONMENT,   /* /etc/environment.d/90-holdfast-tpm2.conf */
	STACK_FAPI_CONFIG,   /* /etc/tpm2-tss/fapi-config.json */
	STACK_FAPI_ECC,	     /* /etc/tpm2-tss/fapi-profiles/P_ECCP256SHA256.json */
	STACK_FAPI_RSA,	     /* /etc/tpm2-tss/fapi-profiles/P_RSA2048SHA256.json */
	STACK_PARTS
};

/* Where it is, absolute, below whatever root. */
const char *stack_path(enum stack_part part);
/*
 * The same of what backups of it are named by: they lie beside it, but for a folder in which
 * p11-kit takes every file, hidden ones too, for a module.
 */
const char *stack_backup_path(enum stack_part part);
/* What the ledger and JSON call it: a-z, 0-9 and -, never another meaning in a later release. */
const char *stack_word(enum stack_part part);

struct stack_entry {
	enum stack_part part;
	bool is_link; /* a symbolic link whose target is @content, else a file of mode 0644 */
	struct buf content;
};

/* In the order of enum stack_part; what an option has turned off is not in it. */
struct stack_tree {
	struct stack_entry entries[STACK_ENTRIES_MAX];
	size_t count;
};

/*
 * Empty when tpm2.enable is false. ERR_INVALID: a value outside of section tpm2 that cannot be
 * written into one of them; ERR_INTERNAL: no memory.
 */
int stack_render(const struct conf *conf, struct stack_tree *ret_tree, struct err *err) MUST_CHECK;
void stack_tree_fini(struct stack_tree *tree);

/* NULL when it is not in the tree. */
const struct stack_entry *stack_find(const struct stack_tree *tree, enum stack_part part);

#endif
