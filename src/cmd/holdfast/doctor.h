/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_DOCTOR_H
#define CMD_HOLDFAST_DOCTOR_H

/*
 * Doctor: what may be wrong between this user, the service and the TPM. Looking collects facts and
 * judges nothing; judging is pure and makes rows of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "holdfast/client.h"

struct json_t;

#define DOCTOR_ROWS_MAX	 24u
#define DOCTOR_NODES	 2u /* /dev/tpm0 and /dev/tpmrm0 */
#define DOCTOR_NAME_SIZE 64u

enum doctor_state { DOCTOR_OK, DOCTOR_INFO, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_row {
	const char *name;
	enum doctor_state state;
	char found[320];
	char remedy[400]; /* "" = nothing is to be done */
};

struct doctor_report {
	struct doctor_row rows[DOCTOR_ROWS_MAX];
	size_t count;
};

/* --- facts --- */

/* How a call of the library ended. */
struct doctor_answer {
	int code; /* 0 = well */
	char text[192];
	char remedy[256];
};

struct doctor_socket {
	const char *path;
	int errnum;		      /* of connecting; 0 = it opens */
	bool is_other;		      /* there is something, and it is no socket */
	char group[DOCTOR_NAME_SIZE]; /* that may use it; "" = none, or it cannot be seen */
	bool is_member;		      /* this process is of that group */
	bool is_listed;		      /* the user is, by the group file */
};

/* Whom the service's process is and may; known when it could be looked at. */
struct doctor_process {
	bool known;
	char user[DOCTOR_NAME_SIZE];
	bool memory_known;
	uint64_t locked_kib;
};

enum doctor_may { DOCTOR_MAY_UNKNOWN, DOCTOR_MAY, DOCTOR_MAY_NOT };

struct doctor_node {
	const char *path;
	bool exists;
	bool is_device;
	unsigned mode; /* permissions */
	char owner[DOCTOR_NAME_SIZE];
	char group[DOCTOR_NAME_SIZE];
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
void doctor_judge(const struct doctor_facts *facts, struct doctor_report *ret_report);

/* The rows of the device's identity, for doctor_judge(). */
void doctor_judge_device(const struct doctor_facts *facts, struct doctor_report *report);

/* Is a chip in use? */
bool doctor_on_chip(const struct doctor_facts *facts);

/* --- reports --- */

/* Adds a row and says what was found; the last row that there is room for is overwritten. */
struct doctor_row *doctor_add(struct doctor_report *report, const char *name,
			      enum doctor_state state, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Says what is to be done. */
void doctor_remedy(struct doctor_row *row, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *doctor_state_name(enum doctor_state state);

#endif
