/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_FACTS_H
#define STACK_FACTS_H

/*
 * Facts: what looking found, for judging alone. Texts are cut at their size and come from
 * anywhere; who prints them makes them printable.
 */

#include <stdbool.h>
#include <stdint.h>

#include "stack/account.h"
#include "stack/render.h"

#define FACT_TEXT_SIZE	 160u
#define FACT_PATH_SIZE	 512u
#define FACT_NODES	 2u /* /dev/tpm0 and /dev/tpmrm0 */
#define FACT_HOLDERS	 4u
#define FACT_COMM_SIZE	 16u
#define FACT_HANDLES	 64u
#define FACT_SRK_HANDLE	 0x81000001u
#define FACT_EK_RSA_2048 0x01c00002u /* TCG EK Credential Profile 2.5, 2.2.2.4 */
#define FACT_EK_ECC_P256 0x01c0000au
#define FACT_EK_ECC_P384 0x01c00016u

/* --- files and folders --- */

enum fact_file {
	FILE_ABSENT, /* is not there, and shall not be */
	FILE_RENDERED,
	FILE_MODE, /* the right bytes, of another mode or owner */
	FILE_MISSING,
	FILE_STALE,   /* as it was applied once, and the configuration says otherwise now */
	FILE_EDITED,  /* was applied, and somebody has changed it since */
	FILE_FOREIGN, /* there, and was never applied */
	FILE_LEFT,    /* was applied, shall not be, and is there */
	FILE_UNREADABLE,
};

enum fact_presence { FACT_UNKNOWN, FACT_NOT_THERE, FACT_THERE };

/* A device node or a folder. */
struct fact_node {
	char path[FACT_PATH_SIZE];
	enum fact_presence presence;
	bool right_kind; /* a character device, a folder */
	unsigned mode;	 /* permissions, with setgid */
	char owner[ACCOUNT_NAME_SIZE];
	char group[ACCOUNT_NAME_SIZE];
};

/* --- programs --- */

enum fact_tool {
	TOOL_NOT_RUN,  /* there was no reason to */
	TOOL_ABSENT,   /* is not installed */
	TOOL_LATE,     /* did not end in time */
	TOOL_FAILED,   /* said that it failed */
	TOOL_NONSENSE, /* its answer is none that we know */
	TOOL_ANSWERED,
};

/* Who has a device node open. */
struct fact_holders {
	bool known;   /* all processes could be looked at, as far as this user can tell */
	size_t count; /* may be more than there are names */
	char names[FACT_HOLDERS][FACT_COMM_SIZE];
};

struct fact_manager {
	struct fact_holders of[FACT_NODES];
	bool abrmd_runs; /* a process of that name, which anybody's may have */
	bool holdfastd_runs;
	bool abrmd_installed;
	enum fact_tool bus; /* who asked it, and how that ended */
	bool on_bus;	    /* when it answered */
};

enum fact_variable { VARIABLE_TOOLS, VARIABLE_PKCS11, VARIABLE_OPENSSL, FACT_VARIABLES };

struct fact_tcti {
	char text[FACT_PATH_SIZE]; /* by which the tools were run; "" = their own choice */
	enum fact_tool answer;
	char said[FACT_TEXT_SIZE]; /* when it failed: the last line */
};

/* --- the chip, by the tools --- */

struct fact_lockout {
	enum fact_tool tool;
	bool in_lockout;
	uint32_t counter;
	uint32_t max;
};

struct fact_handles {
	enum fact_tool tool;
	size_t count;
	uint32_t list[FACT_HANDLES];
};

struct fact_public {
	enum fact_tool tool;
	char type[16]; /* "ecc", "rsa" */
	char attributes[FACT_TEXT_SIZE];
	char name[2 * 66 + 1]; /* hexadecimal */
};

/* What holdfastd says. */
struct fact_service {
	bool known;
	bool on_chip;
	char tcti[FACT_TEXT_SIZE];
	bool ek_known;
	uint32_t ek_handle;
	char ek_name[2 * 66 + 1]; /* hexadecimal */
};

/* --- users --- */

struct fact_group {
	bool exists;
	bool in_session;
	bool in_account;
};

/* Of what is ours, and of whom to tell: what apply reads first. */
enum fact_ledger { LEDGER_UNKNOWN, LEDGER_NONE, LEDGER_READ, LEDGER_UNREADABLE };

struct stack_facts {
	enum fact_file files[STACK_PARTS];
	enum fact_ledger ledger;
	bool root;		/* this process may do everything */
	bool user_exists;	/* tssUser */
	bool abrmd_user_exists; /* as whom tpm2-abrmd runs */
	struct fact_group tss;
	struct fact_group holdfast;
	struct fact_node nodes[FACT_NODES];
	struct fact_manager manager;
	char variables[FACT_VARIABLES][FACT_PATH_SIZE]; /* "" = not set */
	struct fact_tcti tcti;
	enum fact_presence profile; /* <profileDir>/<profileName>.json */
	struct fact_node system_dir;
	struct fact_node log_dir;
	enum fact_presence keystore; /* FAPI's record of its storage key */
	struct fact_handles nv;
	struct fact_handles persistent;
	struct fact_public srk;
	struct fact_public ek; /* at service.ek_handle */
	struct fact_lockout lockout;
	struct fact_service service;
	enum fact_tool p11;
	bool p11_listed;
	struct fact_node p11_store;
};

bool fact_handles_have(const struct fact_handles *handles, uint32_t handle);

/* What the variables are to be; false when the configuration does not say, or it does not fit. */
bool fact_tcti_wanted(const struct conf *conf, char ret_text[FACT_PATH_SIZE]);

extern const char *const FACT_VARIABLE_NAMES[FACT_VARIABLES];

#endif
