/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is put together in memory and leaves in one write(), so that lines of several processes
 * do not mix. Texts may carry bytes of clients: what is not printable UTF-8 is escaped.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES 4000u /* after escaping, under PIPE_BUF; what is longer is cut */
#define TEXT_MAX_BYTES 2048u

static const char *program_name = "holdfast";
static bool to_journal;

/* JOURNAL_STREAM names device and inode of the stream; stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program)
{
	program_name = program;
	to_journal = stderr_is_journal();
}

/* C0, DEL, and C1 as its two bytes c2 80 .. c2 9f. */
static bool is_control(const uint8_t *ch, size_t len)
{
	if (len == 1)
		return ch[0] < 0x20 || ch[0] == 0x7f;
	return len == 2 && ch[0] == 0xc2 && ch[1] < 0xa0;
}

/* Printable ASCII, as much as the line still takes: nearly all of nearly every text. */
static size_t plain_run(const struct buf *line, struct slice text)
{
	size_t room = line->max - line->len, len = 0;

	while (len < text.len && len < room && text.data[len] >= 0x20 && text.data[len] < 0x7f)
		len++;
	return len;
}

static void put_escaped(struct buf *line, struct slice text)
{
	while (text.len > 0) {
		size_t run = plain_run(line, text);
		size_t len = run > 0 ? run : utf8_next(text);
		size_t i;

		if (len > 0 && !is_control(text.data, len)) {
			buf_put(line, slice_of(text.data, len));
		} else {
			len = len > 0 ? len : 1;
			for (i = 0; i < len; i++)
				buf_printf(line, "\\x%02x", text.data[i]);
		}
		text = slice_of(text.data + len, text.len - len);
	}
}

/* Lines that nobody took; told with the next one that somebody takes. */
static unsigned long lost;

/*
 * A reader that hangs must not hang the program, so a line that standard error does not take at
 * once is dropped. A pipe that polls writable takes PIPE_BUF bytes, and no line is longer.
 */
static bool takes_a_line(void)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT);
}

static void put_prefix(struct buf *line, enum log_level level, const char *kind)
{
	if (to_journal)
		buf_printf(line, "<%d>%s", (int)level, kind);
	else
		buf_printf(line, "%s: %s", program_name, kind);
}

static void put_out(struct buf *line)
{
	ssize_t n;

	line->failed = false;
	line->max++;
	buf_put_u8(line, '\n');
	do
		n = write(STDERR_FILENO, line->data, line->len);
	while (n < 0 && errno == EINTR);
}

static void report_lost(void)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(LINE_MAX_BYTES);

	put_prefix(&line, LOG_LEVEL_WARNING, "");
	buf_printf(&line, "%lu log lines were dropped: nobody read them", lost);
	lost = 0;
	put_out(&line);
}

/* A line over its limit is cut, not lost: a buf that failed keeps what fitted. */
static void write_line(enum log_level level, const char *kind, struct slice text)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(LINE_MAX_BYTES);

	if (lost > 0 && takes_a_line())
		report_lost();
	if (!takes_a_line()) {
		lost++;
		return;
	}
	put_prefix(&line, level, kind);
	put_escaped(&line, text);
	put_out(&line);
}

static void log_va(enum log_level level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void log_va(enum log_level level, const char *fmt, va_list ap)
{
	char text[TEXT_MAX_BYTES];

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	write_line(level, "", slice_str(text));
}

#define DEFINE_LOG(name, level)                                                                    \
	void log_##name(const char *fmt, ...)                                                      \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		log_va(level, fmt, ap);                                                            \
		va_end(ap);                                                                        \
	}

DEFINE_LOG(error, LOG_LEVEL_ERROR)
DEFINE_LOG(warning, LOG_LEVEL_WARNING)
DEFINE_LOG(notice, LOG_LEVEL_NOTICE)
DEFINE_LOG(info, LOG_LEVEL_INFO)

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(level, fmt, ap);
	va_end(ap);
}

static void origin_text(const struct err *err, char *text, size_t size)
{
	const char *desc;

	text[0] = '\0';
	switch (err->origin_kind) {
	case ERR_ORIGIN_NONE:
		return;
	case ERR_ORIGIN_ERRNO:
		desc = strerrordesc_np((int)err->origin);
		(void)snprintf(text, size, ", errno %lu: %s", err->origin, desc ? desc : "unknown");
		return;
	case ERR_ORIGIN_TSS2:
		(void)snprintf(text, size, ", TSS2 0x%08lx", err->origin);
		return;
	case ERR_ORIGIN_OPENSSL:
		(void)snprintf(text, size, ", OpenSSL 0x%08lx", err->origin);
		return;
	}
}

void log_err(enum log_level level, const struct err *err, const char *fmt, ...)
{
	char what[TEXT_MAX_BYTES], text[TEXT_MAX_BYTES + sizeof(err->text) + 192], origin[128];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	origin_text(err, origin, sizeof(origin));
	(void)snprintf(text, sizeof(text), "%s: %s (%s%s)", what, err->text,
		       hf_code_name(err->code), origin);
	write_line(level, "", slice_str(text));
}

void log_audit(struct slice json_line)
{
	write_line(LOG_LEVEL_NOTICE, "audit ", json_line);
}
