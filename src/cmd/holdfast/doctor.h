/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_DOCTOR_H
#define CMD_HOLDFAST_DOCTOR_H

/*
 * Doctor: what may be wrong between this user, the service and the TPM. Looking collects facts and
 * judges nothing; judging is pure and makes findings of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "holdfast/client.h"
#include "stack/account.h"
#include "stack/finding.h"

struct json_t;

#define DOCTOR_NODES 2u /* /dev/tpm0 and /dev/tpmrm0 */

/* --- facts --- */

/* How a call of the library ended. */
struct doctor_answer {
	int code; /* 0 = well */
	char text[192];
	char remedy[256];
};

struct doctor_socket {
	const char *path;
	int errnum;		       /* of connecting; 0 = it opens */
	bool is_other;		       /* there is something, and it is no socket */
	char group[ACCOUNT_NAME_SIZE]; /* that may use it; "" = none, or it cannot be seen */
	bool is_member;		       /* this process is of that group */
	bool is_listed;		       /* the user is, by the group file */
};

/* Whom the service's process is and may; known when it could be looked at. */
struct doctor_process {
	bool known;
	char user[ACCOUNT_NAME_SIZE];
	bool memory_known;
	uint64_t locked_kib;
};

enum doctor_may { DOCTOR_MAY_UNKNOWN, DOCTOR_MAY, DOCTOR_MAY_NOT };

struct doctor_node {
	const char *path;
	bool exists;
	bool is_device;
	unsigned mode; /* permissions */
	char owner[ACCOUNT_NAME_SIZE];
	char group[ACCOUNT_NAME_SIZE];
	enum doctor_may service; /* may the service's process open it? */
};

struct doctor_facts {
	struct doctor_socket socket;
	struct doctor_answer status_call;
	struct json_t *status;		  /* owned; NULL when there is none */
	struct json_t *device;		  /* the same of the device's identity */
	struct doctor_answer random_call; /* the least that uses the provider */
	const char *version;		  /* of this program */
	struct doctor_process process;
	struct doctor_node nodes[DOCTOR_NODES];
	int64_t now; /* seconds since 1970 */
	bool synchronised;
};

/* Looks everywhere, and never fails: what cannot be found out is marked so. */
void doctor_look(struct hf *hf, struct doctor_facts *ret_facts);
void doctor_facts_fini(struct doctor_facts *facts);

/* Pure. */
void doctor_judge(const struct doctor_facts *facts, struct findings *ret_report);

/* Those of the device's identity, for doctor_judge(). */
void doctor_judge_device(const struct doctor_facts *facts, struct findings *report);

/* Is a chip in use? */
bool doctor_on_chip(const struct doctor_facts *facts);

#endif
