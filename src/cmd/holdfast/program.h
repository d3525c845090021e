/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_PROGRAM_H
#define CMD_HOLDFAST_PROGRAM_H

/*
 * Program: a command line made of sets of verbs. There are two: `holdfast` has all of them, and a
 * small one for containers those that need neither libcrypto nor the host.
 */

#include "cmd/holdfast/verb.h"

/*
 * The whole of main(). @sets ends in NULL; help lists the verbs in its order. `--complete WORDS..`
 * as the first word is for shells: what may the last one of WORDS be?
 */
int program_run(const struct verb_set *const *sets, int argc, char **argv);

#endif
