/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_FAPI_SETUP_H
#define CMD_HOLDFASTD_FAPI_SETUP_H

/* Fapi setup: where FAPI's helper, folder and sockets are, and how runs of it are ended. */

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "service/fapi.h"

#define FAPI_SETUP_RESERVED 2u

struct fapi_setup {
	char *program;
	char *folder;
	char *run;
	struct service_fapi fapi;		/* borrows the above; without its sockets */
	uint32_t reserved[FAPI_SETUP_RESERVED]; /* persistent handles that are ours */
	size_t reserved_count;
	struct loop_fd *watch; /* of the starter's end; NULL = none */
};

/* Of zero bytes; @conf and @starter are borrowed. The environment has no say. */
int fapi_setup_init(struct fapi_setup *setup, const struct conf *conf,
		    const struct starter *starter, struct err *err) MUST_CHECK;
/* Before the loop is freed. */
void fapi_setup_fini(struct fapi_setup *setup);

/* That the starter has ended is told in the log, not only when the helper is wanted. */
int fapi_setup_watch(struct fapi_setup *setup, struct loop *loop, struct err *err) MUST_CHECK;

/* The helper that was built together with this very program; NULL when memory is short. */
char *fapi_setup_program(void);

/* Where FAPI works; NULL when memory is short. */
char *fapi_setup_folder(const struct conf *conf);

/* Every run ends early from now on. */
void fapi_setup_stop(struct fapi_setup *setup);

#endif
