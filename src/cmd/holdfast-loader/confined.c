/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration and its files are read. What is opened later: the cache, the folders that
 * artifacts come from, what TLS trusts and shows, and how names are looked up.
 */
#include "cmd/holdfast-loader/confined.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/cage.h"

/*
 * /etc as a whole: who writes resolv.conf anew (each DHCP client does) puts a new file there. The
 * parts of /sys and /proc are what a machine's fingerprint is made of.
 */
static const char *const MACHINE[] = {
	"/etc",
	"/run/systemd/resolve",
	"/run/NetworkManager",
	"/run/resolvconf",
	"/run/connman",
	"/sys/block",
	"/sys/bus/pci",
	"/sys/class/block",
	"/sys/dev/block",
	"/sys/devices",
	"/sys/firmware/devicetree",
	"/var/lib/ca-certificates",
};

static const char *const SETTINGS[] = {"SSL_CERT_FILE", "SSL_CERT_DIR"};

static void add_machine(struct cage *cage)
{
	char resolver[PATH_MAX];
	size_t i;

	for (i = 0; i < ARRAY_LEN(MACHINE); i++)
		cage_add(cage, MACHINE[i], CONFINE_READ);
	for (i = 0; i < ARRAY_LEN(SETTINGS); i++)
		cage_add(cage, getenv(SETTINGS[i]), CONFINE_READ);
	/* Often a link. */
	if (realpath("/etc/resolv.conf", resolver))
		cage_add_folder_of(cage, resolver, CONFINE_READ);
	cage_add_system(cage);
}

static void add_files(const struct conf_loader *conf, struct cage *cage)
{
	cage_add(cage, conf->cache_dir, CONFINE_WRITE);
	/* Sticks, perhaps, that are mounted later. */
	cage_add_nearest(cage, conf->import_dir, CONFINE_READ);
	cage_add_nearest(cage, conf->images_path, CONFINE_READ);
	/* A newer archive takes the place of the file, and its signature lies beside it. */
	cage_add_folder_of(cage, conf->images_path, CONFINE_READ);
	cage_add_folder_of(cage, conf->ca_file, CONFINE_READ);
	cage_add_folder_of(cage, conf->client_cert, CONFINE_READ);
	cage_add_folder_of(cage, conf->client_key, CONFINE_READ);
	if (strncmp(conf->listen, "unix:", 5) == 0)
		cage_add_folder_of(cage, conf->listen + 5, CONFINE_SOCKETS);
}

int confined_begin(const struct setup *setup, struct err *err)
{
	CLEANUP(cage_fini)
	struct cage cage = {.program = SYSCALLS_LOADER, .tcp_connect = true};
	struct cage_report report;
	char text[CAGE_TEXT_MAX];
	int r;

	cage.tcp_listen = strncmp(setup->conf->listen, "unix:", 5) != 0;
	add_files(setup->conf, &cage);
	add_machine(&cage);
	r = cage_close(&cage, &report, err);
	if (r < 0)
		return r;
	log_at(cage_print(&report, text), "%s", text);
	return 0;
}
