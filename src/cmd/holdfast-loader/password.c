/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/password.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/secret.h"
#include "cmd/holdfast/io.h"
#include "conf/text.h"

/* As long as the terminal shows nothing, no signal may end us there. */
struct silence {
	struct termios was;
	sigset_t signals;
	bool on;
};

static int silence_begin(struct silence *silence, struct err *err)
{
	struct termios now;
	sigset_t all;

	(void)sigfillset(&all);
	if (tcgetattr(STDIN_FILENO, &silence->was) < 0 ||
	    sigprocmask(SIG_BLOCK, &all, &silence->signals) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "the terminal cannot be asked");
	now = silence->was;
	now.c_lflag &= ~(tcflag_t)ECHO;
	now.c_lflag |= ECHONL;
	silence->on = tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) == 0;
	if (!silence->on) {
		(void)sigprocmask(SIG_SETMASK, &silence->signals, NULL);
		return err_set_errno(err, ERR_INTERNAL, errno, "the terminal shows what is typed");
	}
	return 0;
}

static void silence_end(struct silence *silence)
{
	if (!silence->on)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silence->was);
	(void)sigprocmask(SIG_SETMASK, &silence->signals, NULL);
}

/* A terminal gives a line at a time. */
static int ask_person(struct buf *line, struct err *err)
{
	CLEANUP(silence_end) struct silence silence = {.on = false};
	uint8_t bytes[PASSWORD_MAX + 2];
	ssize_t n;
	int r;

	(void)fputs("Password: ", stderr);
	(void)fflush(stderr);
	r = silence_begin(&silence, err);
	if (r < 0)
		return r;
	n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read the password");
	buf_put(line, slice_of(bytes, (size_t)n));
	wipe(bytes, sizeof(bytes));
	return 0;
}

static int read_any(const char *file, struct buf *line, struct err *err)
{
	if (!file && isatty(STDIN_FILENO) == 1)
		return ask_person(line, err);
	if (!file || io_is_standard(file))
		return io_read(NULL, line, err);
	return text_read(file, TEXT_ANY, line, err);
}

int password_read(const char *file, struct buf *ret_password, struct err *err)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(PASSWORD_MAX + 2);
	struct slice text;
	int r;

	r = read_any(file, &line, err);
	if (r < 0)
		return r;
	text = buf_slice(&line);
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.data[text.len - 1] == '\r')
		text.len--;
	if (text.len == 0 || text.len > PASSWORD_MAX || memchr(text.data, '\0', text.len))
		return err_set(err, ERR_INVALID, "a password has 1 to %u bytes, and no NUL",
			       PASSWORD_MAX);
	buf_put(ret_password, text);
	return buf_ok(ret_password) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
