/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_WIRE_H
#define SUPPORT_WIRE_H

/*
 * A wire between a program and a chip (chip.h) that can break: the chip obeys the command, and its
 * answer is never heard. Every function fails the test when it cannot do its job.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct chip;

struct wire {
	char conf[96]; /* for Tss2_TctiLdr, in the place of the chip's */
	_Atomic uint32_t broken;
	_Atomic unsigned refused; /* answers that there is no room: 0x901 to 0x905 */
	const char *dir;	  /* the chip's */
	int listeners[2], stop[2];
	pthread_t thread;
};

void wire_new(struct wire *wire, const struct chip *chip);
/* Breaks at each command with this code; 0 = it is whole again. */
void wire_break(struct wire *wire, uint32_t code);
void wire_free(struct wire *wire);

#endif
