/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order counts: a service that is not wanted any more ends while its unit is known; users are
 * there before folders belong to them; the manager and the bus have read their files before what
 * needs them begins.
 */
#include "stack/reload.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "stack/due.h"
#include "stack/place.h"
#include "stack/tool.h"

#define TIMEOUT_MS  90000u /* as long as systemd waits for a service to begin */
#define SHOWN_MAX   160
#define SYSTEMD_RUN "/run/systemd/system"
#define UDEV_RUN    "/run/udev/control"
#define BUS_RUN	    "/run/dbus/system_bus_socket"
#define ABRMD	    "tpm2-abrmd.service"
#define TRIGGER	    "holdfast-tpm2-udev.service"

enum need { NEED_NOTHING, NEED_SYSTEMD, NEED_BUS, NEED_UDEV };
/* Wanted: put, or as it was; it makes what may have gone since. */
enum when { WHEN_PUT = 1, WHEN_GONE = 2, WHEN_EITHER = 3, WHEN_WANTED = 5 };

#define BIT(part) (1u << (part))

static const struct row {
	unsigned parts; /* of which one has changed */
	enum when when;
	enum need need;
	struct reload_step step;
} ROWS[] = {
	{BIT(STACK_ABRMD_UNIT), WHEN_GONE, NEED_SYSTEMD, {{"systemctl", "stop", ABRMD}}},
	{BIT(STACK_SYSUSERS),
	 WHEN_WANTED,
	 NEED_NOTHING,
	 {{"systemd-sysusers", "/etc/sysusers.d/holdfast-tpm2.conf"}}},
	{BIT(STACK_TMPFILES),
	 WHEN_WANTED,
	 NEED_NOTHING,
	 {{"systemd-tmpfiles", "--create", "/etc/tmpfiles.d/holdfast-tpm2.conf"}}},
	{BIT(STACK_UDEV_RULES), WHEN_EITHER, NEED_UDEV, {{"udevadm", "control", "--reload"}}},
	{BIT(STACK_UDEV_TRIGGER) | BIT(STACK_UDEV_WANTED) | BIT(STACK_ABRMD_UNIT) |
		 BIT(STACK_ABRMD_WANTED),
	 WHEN_EITHER,
	 NEED_SYSTEMD,
	 {{"systemctl", "daemon-reload"}}},
	{BIT(STACK_UDEV_TRIGGER), WHEN_PUT, NEED_SYSTEMD, {{"systemctl", "start", TRIGGER}}},
	/* The trigger unit is for boots: of rules it has had its turn for it does nothing. */
	{BIT(STACK_UDEV_RULES),
	 WHEN_EITHER,
	 NEED_UDEV,
	 {{"udevadm", "trigger", "--subsystem-match=tpm", "--subsystem-match=tpmrm"}}},
	{BIT(STACK_ABRMD_BUS), WHEN_EITHER, NEED_BUS, {{"systemctl", "reload", "dbus.service"}}},
	{BIT(STACK_ABRMD_UNIT), WHEN_PUT, NEED_SYSTEMD, {{"systemctl", "restart", ABRMD}}},
};

static bool is_there(enum need need, const struct reload_host *host)
{
	switch (need) {
	case NEED_SYSTEMD:
		return host->systemd;
	case NEED_BUS: /* which the manager tells to read its rules */
		return host->systemd && host->bus;
	case NEED_UDEV:
		return host->udev;
	case NEED_NOTHING:
		break;
	}
	return true;
}

static bool has_come_to(enum stack_deed deed, enum when when)
{
	switch (deed) {
	case STACK_WRITTEN:
	case STACK_REPLACED:
	case STACK_FORCED:
		return when & WHEN_PUT;
	case STACK_REMOVED:
		return when & WHEN_GONE;
	case STACK_SAME:
		return when == WHEN_WANTED;
	case STACK_ABSENT:
	case STACK_KEPT:
	case STACK_FORGOTTEN:
		break;
	}
	return false;
}

static bool is_due(const struct row *row, const struct stack_change *change)
{
	unsigned part;

	if (((row->when & WHEN_PUT) && (row->parts & change->due.put)) ||
	    ((row->when & WHEN_GONE) && (row->parts & change->due.gone)))
		return true;
	for (part = 0; part < STACK_PARTS; part++)
		if ((row->parts & BIT(part)) && has_come_to(change->steps[part].deed, row->when))
			return true;
	return false;
}

void reload_plan(const struct stack_change *change, const struct reload_host *host,
		 struct reload *ret_reload)
{
	size_t i;

	_Static_assert(ARRAY_LEN(ROWS) <= RELOAD_STEPS_MAX, "room for all");
	ret_reload->count = 0;
	for (i = 0; i < ARRAY_LEN(ROWS); i++)
		if (is_there(ROWS[i].need, host) && is_due(&ROWS[i], change))
			ret_reload->steps[ret_reload->count++] = ROWS[i].step;
}

/* --- doing it --- */

static void put_words(const char *const *argv, struct buf *line)
{
	size_t i;

	for (i = 0; argv[i]; i++)
		buf_printf(line, "%s%s", i == 0 ? "" : " ", argv[i]);
}

/* What it said first is why. */
static void put_end(const struct tool_end *end, const struct buf *output, struct buf *line)
{
	const char *said = (const char *)output->data;
	size_t len = 0;

	if (!end->in_time) {
		buf_put_str(line, ": it did not end in time");
		return;
	}
	while (len < output->len && len < SHOWN_MAX && said[len] != '\n')
		len++;
	buf_printf(line, ": exit status %d%s%.*s", end->status, len > 0 ? ": " : "", (int)len,
		   len > 0 ? said : "");
}

struct teller {
	void (*told)(void *arg, const char *line, bool well);
	void *arg;
};

static bool run_step(const struct reload_step *step, const struct teller *teller)
{
	CLEANUP(buf_fini) struct buf output = BUF_INIT(TOOL_OUTPUT_MAX);
	CLEANUP(buf_fini) struct buf line = BUF_INIT(1024);
	const struct tool_run run = {.argv = step->argv, .timeout_ms = TIMEOUT_MS};
	struct tool_end end = {.found = false};
	struct err err;
	bool well;
	int r = tool_run(&run, &end, &output, &err);

	if (r == 0 && !end.found)
		return true;
	well = r == 0 && end.in_time && end.status == 0;
	put_words(step->argv, &line);
	if (r < 0)
		buf_printf(&line, ": %s", err.text);
	else if (!well)
		put_end(&end, &output, &line);
	buf_put_u8(&line, '\0');
	teller->told(teller->arg, buf_ok(&line) ? (const char *)line.data : step->argv[0], well);
	return well;
}

/* Where that fails, the next run tells it all once more. */
static int settle(const struct stack_due *due, struct err *err)
{
	CLEANUP(fd_close_cleanup) int root = -1;
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = place_open_root("", &root, err);

	if (r == 0)
		r = place_open(root, STACK_DUE, false, &dir, err);
	return r < 0 ? r : due_settle(dir, due, err);
}

void stack_reload(const struct stack_change *change,
		  void (*told)(void *arg, const char *line, bool well), void *arg)
{
	const struct reload_host host = {
		.systemd = access(SYSTEMD_RUN, F_OK) == 0,
		.udev = access(UDEV_RUN, F_OK) == 0,
		.bus = access(BUS_RUN, F_OK) == 0,
	};
	const struct teller teller = {told, arg};
	struct reload reload;
	struct err err = {0};
	bool well = true;
	size_t i;

	reload_plan(change, &host, &reload);
	for (i = 0; i < reload.count; i++)
		well = run_step(&reload.steps[i], &teller) && well;
	if (well && (change->due.put | change->due.gone) && settle(&change->due, &err) < 0)
		told(arg, err.text, false);
}
