/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_TCTI_H
#define FAULT_TCTI_H

/*
 * A TCTI in front of another one that makes the chip misbehave by a seed:
 *
 *   FILE:seed=N,rate=P,kinds=A+B,manager=1,control=FILE,log=FILE:CHILD
 *
 *   seed     the same commands meet the same faults; the dice go on when a connection is opened
 *            anew, and begin again with another seed
 *   rate     of a thousand commands so many meet a fault; 0 = none
 *   kinds    which faults; all when absent. Their names stand in fault_tcti.c.
 *   manager  behaves as a resource manager: a connection that ends leaves the chip empty
 *   control  a file with a number that takes the place of the rate, read before each command
 *   log      a file that gets one line for each fault
 *   CHILD    the TCTI of the chip, as for Tss2_TctiLdr
 *
 * Who links its soname "swtpm", or finds the module under this name in LD_LIBRARY_PATH, may write
 * "swtpm:seed=..:libtss2-tcti-swtpm.so.0:path=.."; it is then taken for a simulator, a bare chip.
 */

#include <stdint.h>

/* For a test in whose process the module is loaded: dlsym(.., FAULT_TCTI_CONTROL). */
#define FAULT_TCTI_CONTROL "fault_tcti_control"

struct fault_control {
	int rate;	   /* in the place of the conf's when not negative */
	uint64_t injected; /* faults so far */
	uint64_t commands; /* commands that came, also those that met a fault */
};

struct fault_control *fault_tcti_control(void);

#endif
