/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_CONFINED_H
#define CMD_HOLDFASTD_CONFINED_H

/*
 * Confined: what the daemon keeps of its machine, and what the starter beside it does, by whose
 * bounds FAPI's helper is held.
 */

#include "cmd/holdfastd/daemon.h"
#include "fapi/starter.h"
#include "host/cage.h"

/* What options and configuration ask for. */
int confined_plan(const struct daemon *daemon, struct cage *ret_cage, struct err *err) MUST_CHECK;

/*
 * Gives up all but @plan and what the machine has, for good, and logs it. Makes the state folder
 * and the run folder where they are absent. Before that it begins the starter, the last process
 * that this one can make; NULL where FAPI's helper is not there. Before threads start.
 */
int confined_begin(const struct daemon *daemon, struct cage *plan, struct starter **ret_starter,
		   struct err *err) MUST_CHECK;

/* A daemon that begins anew in this process has the bounds of @first: ERR_CONFLICT when it needs
 * others. */
int confined_again(const struct daemon *daemon, const struct cage *first, struct err *err)
	MUST_CHECK;

#endif
