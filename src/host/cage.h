/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CAGE_H
#define HOST_CAGE_H

/*
 * Cage: what a program of ours needs of its machine, told path by path, and then all else given up:
 * new privileges, files (confine.h), system calls (syscalls.h). Before threads start.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/confine.h"
#include "host/syscalls.h"

#define CAGE_PATHS    96u
#define CAGE_TEXT_MAX 128u

struct cage {
	enum syscalls_program program;
	bool inet;	  /* sockets of IP, where the program has none by itself */
	bool tcp_connect; /* as in struct confine_rules */
	bool tcp_listen;
	bool abstract;
	bool moves;
	struct confine_path paths[CAGE_PATHS]; /* their texts are owned */
	size_t count;
	bool failed; /* memory, or more than CAGE_PATHS: cage_close() tells */
};

void cage_fini(struct cage *cage);
/* Takes off what was added after the first @count paths. */
void cage_cut(struct cage *cage, size_t count);

/*
 * A path that is absent when the cage is closed is no part of it. NULL and "" are none, the same
 * twice is one.
 */
void cage_add(struct cage *cage, const char *path, unsigned rights);
/*
 * The folder that @file is in, so that a file may take its place, and where that is a link also the
 * folder that it leads to; never the whole machine, but then @file alone.
 */
void cage_add_folder_of(struct cage *cage, const char *file, unsigned rights);
/*
 * @path, or what is there of it, and the folder around that, so that something may be mounted there
 * later; never the whole machine.
 */
void cage_add_nearest(struct cage *cage, const char *path, unsigned rights);
/* What any program reads: libraries and their settings, names of users, the time zone, /proc. */
void cage_add_system(struct cage *cage);
/*
 * @program with what the kernel needs to start it: may be executed. That is the dynamic linker,
 * which maps whatever program may be read: so it is for a process that does nothing else.
 */
void cage_add_program(struct cage *cage, const char *program);

/* Have both the same paths and wishes? */
bool cage_same(const struct cage *a, const struct cage *b);

struct cage_report {
	unsigned abi;	/* Landlock's; 0: there is none */
	unsigned calls; /* 0: all */
};

/* A failing call where the kernel knows it is an error; what the kernel lacks is reported. */
int cage_close(const struct cage *cage, struct cage_report *ret_report, struct err *err) MUST_CHECK;

/* A line for the log and its level: a warning when something is missing. */
enum log_level cage_print(const struct cage_report *report, char ret_text[static CAGE_TEXT_MAX]);

#endif
