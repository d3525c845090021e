/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

/*
 * Calls of our own code that fail by a seed, by way of the linker's --wrap: memory (malloc, calloc,
 * strdup, the making of secrets) and the disk (openat, read, write, fsync, renames, links,
 * mkdirat). What the libraries below us call is not touched. Pauses take no time here: the clock
 * that our code reads goes on instead.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Throws the seed's dice: how often what fails. Nothing fails before inject_on(). */
void inject_begin(uint64_t seed);
void inject_on(void);
void inject_off(void);

/* Calls that failed since the program began; repeated ones (EINTR) and short ones are no failures.
 */
uint64_t inject_failures(void);
/* Of them those by which something that is there, or not, seems to be unreadable. */
uint64_t inject_damage(void);
/* .. and those to make something durable. */
uint64_t inject_sync_failures(void);
/* All, with the repeated and short ones, for the count at the end. */
uint64_t inject_count(void);

/* Secrets that were made and not freed. */
long inject_secrets(void);

/* Time goes on by so much. */
void inject_clock(uint64_t us);

#endif
