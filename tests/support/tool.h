/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_TOOL_H
#define SUPPORT_TOOL_H

/* Stock programs, run for a test, and the files that they read and write. */

#include "base/buf.h"
#include "base/slice.h"

/* Its exit status; what it prints is lost. @argv ends in NULL. */
int tool_run(const char *const *argv);
#define TOOL_RUN(...) tool_run((const char *const[]){__VA_ARGS__, NULL})

/* Both fail the test when they cannot. */
void tool_write(const char *dir, const char *name, struct slice bytes);
void tool_read(const char *dir, const char *name, struct buf *ret_bytes);

#endif
