/* SPDX-License-Identifier: Apache-2.0 */
/* The command line for containers, without libcrypto. */
#include <stddef.h>

#include "cmd/holdfast/program.h"

static const struct verb_set *const SETS[] = {&VERBS_COMMON, &VERBS_MESSAGE, NULL};

int main(int argc, char **argv)
{
	return program_run(SETS, argc, argv);
}
