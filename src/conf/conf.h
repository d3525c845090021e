/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

/*
 * Conf: /etc/holdfast/holdfast.conf, read and checked whole. Every key has a default that serves;
 * an unknown key, a wrong type or a value out of range is one line "file:line: what, and what is
 * allowed". All programs read the whole schema (holdfast.conf(5)). Read once, immutable, owned by
 * the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "broker/commands.h"

/* A list of strings as configured; may be empty. */
struct conf_list {
	char **items;
	size_t count;
};

enum conf_provider { CONF_PROVIDER_AUTO, CONF_PROVIDER_TPM, CONF_PROVIDER_LEGACY };
enum conf_srk { CONF_SRK_DEFAULT, CONF_SRK_ECC_P256, CONF_SRK_RSA_2048 };
enum conf_device_tpm { CONF_DEVICE_PREFER, CONF_DEVICE_REQUIRE, CONF_DEVICE_OFF };
enum conf_provision { CONF_PROVISION_AUTO, CONF_PROVISION_MANUAL };
enum conf_restore { CONF_RESTORE_AUTO, CONF_RESTORE_ASK };

/* Operation words of a tenant's policy, as a bit set. */
enum conf_operation {
	CONF_OP_RANDOM = 1 << 0,
	CONF_OP_SEAL = 1 << 1,
	CONF_OP_KEY = 1 << 2,
	CONF_OP_SIGN = 1 << 3,
	CONF_OP_AIK = 1 << 4,
	CONF_OP_USAGE = 1 << 5,
	CONF_OP_DECRYPT = 1 << 6,
	CONF_OP_IMPORT = 1 << 7,
	CONF_OP_EXPORT = 1 << 8,
	CONF_OP_UNWRAP = 1 << 9,
	CONF_OP_DEVICE_SIGN = 1 << 10,
	CONF_OP_DEVICE_TLS = 1 << 11,
	CONF_OP_DEVICE_RAW = 1 << 12,
};

struct conf_tpm {
	char *tcti;	       /* "" = /dev/tpm0, else /dev/tpmrm0 */
	unsigned wait;	       /* seconds since boot to wait for an expected TPM, 0..600 */
	enum conf_srk srk;     /* "" | "ecc-p256" | "rsa-2048" */
	uint32_t srk_handle;   /* where ours goes when 0x81000001 cannot be used;
				  0x81000000..0x817fffff */
	uint32_t hsk_handle;   /* the same range, or 0 = not persistent (kept as a blob) */
	bool encrypt;	       /* encrypt parameters between us and the chip */
	char *owner_auth_file; /* "" = the hierarchy has no password */
	char *endorsement_auth_file;
	char *lockout_auth_file;
};

struct conf_device {
	char *config_dir;
	char *persist_dir;
	enum conf_device_tpm tpm;
	uint32_t handle;
	enum conf_provision provision;
	enum conf_restore restore;
	char *subject; /* of the certificate, RFC 4514; "" = made from the key */
	unsigned days; /* that a self-signed certificate is good for, 1..36500 */
};

struct conf_tenant {
	char *name;	     /* 1-63 of [a-z0-9-] */
	uint32_t operations; /* enum conf_operation */
	enum command_set broker;
	struct conf_list allow; /* names of TPM commands */
	struct conf_list deny;
	uint64_t keys;	 /* 0 = no limit (default of `host` only) */
	uint64_t stored; /* bytes; 0 = no limit */
	unsigned rate;	 /* requests per second; 0 = no limit */
	unsigned connections;
	unsigned sessions;
	unsigned objects;
	struct conf_list peers; /* "uid:N" */
	char *cgroup;
};

struct conf_fapi_profile {
	char *profile_name;
	char *profile_dir;
	char *user_dir;
	char *system_dir;
	char *tcti;
	struct conf_list system_pcrs; /* decimal numbers 0..23 */
	char *log_dir;
	int ek_cert_less;     /* -1 = unset */
	char *ek_fingerprint; /* NULL = unset */
	char *firmware_log_file;
	char *ima_log_file;
};

/* The TPM2 software of the machine (`tpm2 { .. }`), rendered by `holdfast tpm2`. */
struct conf_tpm2 {
	bool enable;
	char *tss_user; /* NULL = by abrmd: "tss" with it, else "root" */
	char *tss_group;
	bool apply_udev_rules;
	bool abrmd_enable;
	char *abrmd_package;
	bool pkcs11_enable;
	bool tcti_environment_enable;
	char *tcti_interface; /* tabrmd | device | holdfast */
	char *tcti_device_conf;
	char *tcti_tabrmd_conf;
	struct conf_fapi_profile fapi;
};

struct conf {
	enum conf_provider provider;
	struct conf_tpm tpm;
	char *state_dir; /* absolute */
	char *run_dir;	 /* absolute */
	struct conf_device device;
	bool fapi_probe;
	struct conf_tenant *tenants; /* as configured, in order; `host` may be among them */
	size_t tenant_count;
	struct conf_tpm2 tpm2;
};

/* All defaults, as if read from an empty file. */
int conf_default(struct conf **ret_conf, struct err *err) MUST_CHECK;

/*
 * Reads and checks @path. ERR_NOT_FOUND when it is absent, ERR_UNREADABLE, or ERR_INVALID with
 * the text "FILE:LINE: what, and what is allowed". ERR_CONFLICT: another thread is at it.
 */
int conf_load(const char *path, struct conf **ret_conf, struct err *err) MUST_CHECK;

/* The same from memory; @name stands for the file in messages. One thread at a time. */
int conf_parse(const char *text, size_t len, const char *name, struct conf **ret_conf,
	       struct err *err) MUST_CHECK;

void conf_free(struct conf *conf);
MEM_DEFINE_CLEANUP(conf)

/* ERR_INVALID when it is no name that a tenant may have; `admin` is none, `host` is one. */
int conf_tenant_name(const char *name, struct err *err) MUST_CHECK;

/* The defaults of a tenant that the file does not mention; `host` has its own. */
int conf_tenant_default(const char *name, struct conf_tenant **ret_tenant, struct err *err)
	MUST_CHECK;
void conf_tenant_free(struct conf_tenant *tenant);
MEM_DEFINE_CLEANUP(conf_tenant)

/*
 * Sets a key as if @text stood in the file; of a list it adds one entry to those that are there,
 * defaults as well, unless conf_tenant_empty() came before. ERR_INVALID: what, and what is allowed.
 */
int conf_tenant_set(struct conf_tenant *tenant, const char *key, const char *text, struct err *err)
	MUST_CHECK;
void conf_tenant_empty(struct conf_tenant *tenant, const char *key);

/* What holds between keys; conf_tenant_set() and the reader ask it. ERR_INVALID. */
int conf_tenant_check(const struct conf_tenant *tenant, struct err *err) MUST_CHECK;

/* The file's words; NULL when there is none. */
const char *conf_operation_word(enum conf_operation operation);

/* Have both the same value of @key, or of all keys when it is NULL? */
bool conf_tenant_same(const struct conf_tenant *a, const struct conf_tenant *b, const char *key);

/* The first key outside of tenants whose values differ, or NULL. */
const char *conf_differs(const struct conf *a, const struct conf *b);

/* The tenant of that name, or NULL. */
struct conf_tenant *conf_find_tenant(const struct conf *conf, const char *name);

/* Moves a tenant out of its struct conf, where only an empty one is left. */
int conf_tenant_take(struct conf_tenant *from, struct conf_tenant **ret_tenant, struct err *err)
	MUST_CHECK;

/* "auto" | "tpm" | "legacy": the words of the file and of SECURITY_PROVIDER. */
int conf_provider_of_word(const char *word, enum conf_provider *ret_provider, struct err *err)
	MUST_CHECK;

#endif
