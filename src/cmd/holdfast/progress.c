/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte goes in and comes out again; half of their sum is how much is done, whether the
 * service answers while it reads or afterwards.
 */
#include "cmd/holdfast/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"

#define FIRST_US      1000000u
#define EVERY_US      100000u
#define LINE_MAX_LEN  256u
#define COLUMNS_LEAST 20u
#define COLUMNS_USUAL 80u
#define BAR_CELLS     20u

void progress_put_size(struct buf *out, uint64_t bytes)
{
	static const char *const UNITS[] = {"KiB", "MiB", "GiB", "TiB"};
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < unit) {
		buf_printf(out, "%" PRIu64 " B", bytes);
		return;
	}
	while (i + 1 < ARRAY_LEN(UNITS) && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	buf_printf(out, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit, bytes % unit * 10 / unit,
		   UNITS[i]);
}

static void put_bar(struct buf *out, uint64_t percent)
{
	uint64_t filled = percent * BAR_CELLS / 100;
	unsigned i;

	buf_put_str(out, " [");
	for (i = 0; i < BAR_CELLS; i++)
		buf_put_u8(out, i < filled ? '=' : ' ');
	buf_printf(out, "] %3" PRIu64 " %%", percent);
}

void progress_render(struct buf *out, const struct progress *progress, uint64_t elapsed_us,
		     size_t columns)
{
	uint64_t done = progress->in / 2 + progress->out / 2;
	bool known = progress->total != PROGRESS_TOTAL_UNKNOWN && progress->total > 0;
	uint64_t tenths = elapsed_us / 100000u;
	size_t start = out->len;

	/* A blob is a little longer than what it holds. */
	if (known && done > progress->total)
		done = progress->total;
	buf_put_str(out, progress->label);
	if (known)
		put_bar(out, done > UINT64_MAX / 100 ? 100 : done * 100 / progress->total);
	buf_put_str(out, "  ");
	progress_put_size(out, done);
	if (known) {
		buf_put_str(out, " of ");
		progress_put_size(out, progress->total);
	}
	if (tenths > 0) {
		buf_put_str(out, "  ");
		progress_put_size(out, done / tenths * 10 + done % tenths * 10 / tenths);
		buf_put_str(out, "/s");
	}
	if (buf_ok(out) && out->len - start >= columns)
		out->len = start + (columns > 0 ? columns - 1 : 0);
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < COLUMNS_LEAST)
		return COLUMNS_USUAL;
	return size.ws_col;
}

/* Overwrites what stands there; no escape sequence, so that any terminal can do it. */
static void put_line(struct progress *progress, const struct buf *line)
{
	int pad = progress->drawn_len > line->len ? (int)(progress->drawn_len - line->len) : 0;

	(void)fprintf(stderr, "\r%.*s%*s", (int)line->len,
		      line->len > 0 ? (const char *)line->data : "", pad, "");
	if (line->len == 0)
		(void)fputc('\r', stderr);
	(void)fflush(stderr);
	progress->drawn_len = line->len;
}

void progress_begin(struct progress *progress, const char *label, uint64_t total, bool enabled)
{
	*progress = (struct progress){
		.label = label,
		.total = total,
		.enabled = enabled && isatty(STDERR_FILENO) == 1,
		.begun_us = clock_monotonic_us(),
	};
}

void progress_move(struct progress *progress, uint64_t in, uint64_t out)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(LINE_MAX_LEN);
	uint64_t now = progress->enabled ? clock_monotonic_us() : 0;

	progress->in += in;
	progress->out += out;
	if (!progress->enabled || now - progress->begun_us < FIRST_US ||
	    now - progress->drawn_us < EVERY_US)
		return;
	progress->drawn_us = now;
	progress_render(&line, progress, now - progress->begun_us, terminal_columns());
	if (buf_ok(&line))
		put_line(progress, &line);
}

void progress_end(struct progress *progress)
{
	const struct buf nothing = BUF_INIT(0);

	if (progress->drawn_len > 0)
		put_line(progress, &nothing);
}
