/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

/*
 * Ownership in one vocabulary. An owner is a variable marked CLEANUP() and set from its first
 * line; leaving the scope frees it, success hands it over with TAKE(). There is no goto.
 */

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn)	  __attribute__((cleanup(fn)))
#define MUST_CHECK	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)	  (sizeof(a) / sizeof((a)[0]))

/* Hands an owned pointer over and leaves NULL behind, so that the cleanup frees nothing. */
#define TAKE(p)                                                                                    \
	(__extension__({                                                                           \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	}))

/* Defines `void TYPE_cleanup(struct TYPE **)` on top of `TYPE_free`, for CLEANUP(). */
#define MEM_DEFINE_CLEANUP(type)                                                                   \
	static inline void type##_cleanup(struct type **p)                                         \
	{                                                                                          \
		type##_free(*p);                                                                   \
	}

static inline void mem_free_cleanup(void *p)
{
	free(*(void **)p);
}

static inline void fd_close_cleanup(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
