/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_IMPL_H
#define BASE_FILE_IMPL_H

/* What the file*.c share. For this room only. */

#include "base/file.h"

/* The ways to open that are shared by all: never a link, never blocking, never inherited. */
#define OPEN_FOLDER   (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define OPEN_FILE     (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define OPEN_TO_ERASE (O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Is it the name of a temporary file? */
bool file_is_temp(const char *name);

/* Its bytes, as file_erase() does; what cannot be overwritten stays as it is. */
void file_overwrite(int dir, const char *name);

/* A single component, and none of ours for temporary files. ERR_INVALID. */
int file_check_name(const char *name, struct err *err) MUST_CHECK;

/* Makes a content durable. */
int file_sync_content(int fd, const char *name, struct err *err) MUST_CHECK;

/* Makes a change of names durable. Never ERR_DISK_FULL, which promises that nothing changed. */
int file_sync_folder(int fd, const char *name, struct err *err) MUST_CHECK;

#endif
