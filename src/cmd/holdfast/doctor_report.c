/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, as the judges write them. What does not fit is cut. */
#include <stdarg.h>
#include <stdio.h>

#include "cmd/holdfast/doctor.h"

struct doctor_row *doctor_add(struct doctor_report *report, const char *name,
			      enum doctor_state state, const char *fmt, ...)
{
	struct doctor_row *row = &report->rows[report->count];
	va_list ap;

	*row = (struct doctor_row){.name = name, .state = state};
	va_start(ap, fmt);
	(void)vsnprintf(row->found, sizeof(row->found), fmt, ap);
	va_end(ap);
	if (report->count + 1 < DOCTOR_ROWS_MAX)
		report->count++;
	return row;
}

void doctor_remedy(struct doctor_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(row->remedy, sizeof(row->remedy), fmt, ap) < 0)
		row->remedy[0] = '\0';
	va_end(ap);
}

const char *doctor_state_name(enum doctor_state state)
{
	static const char *const NAMES[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_INFO] = "info",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_FAIL] = "fail",
	};

	return NAMES[state];
}
