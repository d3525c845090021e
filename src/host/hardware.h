/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_HARDWARE_H
#define HOST_HARDWARE_H

/*
 * Hardware: names of the machine's parts, as the kernel's files have them and without a shell, for
 * texts that older servers know a machine by. @root is "" or a folder that stands for '/' (tests).
 * What is not there is ERR_NOT_FOUND, and what is there and cannot be read ERR_UNREADABLE.
 */

#include "base/buf.h"
#include "base/err.h"

/* The GPU: of a Jetson, its integrated one by the device tree; else the first display adapter that
 * PCI has, by vendor and device in the ids' table where that is installed, else "vendor:device". */
int hardware_gpu(const char *root, struct buf *ret_text, struct err *err) MUST_CHECK;
/* The serial number of the disk that '/' is on, below all mappers; else of the first whole disk. */
int hardware_disk_serial(const char *root, struct buf *ret_text, struct err *err) MUST_CHECK;

#endif
