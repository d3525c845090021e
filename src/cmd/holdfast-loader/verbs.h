/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_VERBS_H
#define CMD_HOLDFAST_LOADER_VERBS_H

/* Verbs: what the program asks of the loader that serves. */

#include "cmd/holdfast-loader/ask.h"
#include "cmd/holdfast/opt.h"

enum verbs_exit { VERBS_DONE = 0, VERBS_FAILED = 1, VERBS_USAGE = 2 };

/* @words: the verb and what stands behind it. The exit status. */
int verbs_run(const struct conf_loader *conf, struct opt_words words);

/* One line for each verb, for the program's help. */
void verbs_help(struct buf *out);

/* Says why the last question failed. */
int verbs_fail(const struct ask *ask);

/* --- status.c --- */

/* What the loader does; with @follow as long as it does something. */
int status_show(struct ask *ask, bool json, bool follow);
/* Until the images are there. */
int status_unlock(struct ask *ask);

/* --- load.c --- */

struct resource;
int load_to(struct ask *ask, const char *folder, const char *name, const char *path);
int load_artifact_to(struct ask *ask, const char *folder, const char *name, const char *path);

/* --- artifact.c --- */

/* Has it fetched and checked, and prints what it is; waits for images until they are there. */
int artifact_tell(struct ask *ask, const char *folder, const char *name, bool as_json);

#endif
