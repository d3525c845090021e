/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tpm2-abrmd on the service's socket. Its own package's unit waits for /dev/tpm0, which the service
 * holds: ours stands in the place of that one, under its name, so that the bus starts it as well.
 */
#include "stack/render_impl.h"

/* What it needs is two Unix sockets; the service's may be anywhere, so no folder is hidden. */
static const char SANDBOX[] = "NoNewPrivileges=yes\n"
			      "CapabilityBoundingSet=\n"
			      "PrivateDevices=yes\n"
			      "ProtectSystem=strict\n"
			      "ProtectHome=read-only\n"
			      "ProtectClock=yes\n"
			      "ProtectControlGroups=yes\n"
			      "ProtectHostname=yes\n"
			      "ProtectKernelLogs=yes\n"
			      "ProtectKernelModules=yes\n"
			      "ProtectKernelTunables=yes\n"
			      "LockPersonality=yes\n"
			      "RestrictAddressFamilies=AF_UNIX\n"
			      "RestrictNamespaces=yes\n"
			      "RestrictRealtime=yes\n"
			      "RestrictSUIDSGID=yes\n"
			      "SystemCallArchitectures=native\n"
			      "UMask=0077\n";

void render_abrmd_unit(const struct conf *conf, struct buf *out)
{
	const struct conf_tpm2 *tpm2 = &conf->tpm2;

	buf_put_str(out, RENDER_HEAD "[Unit]\n"
				     "Description=TPM2 access broker and resource manager\n"
				     "Documentation=man:tpm2-abrmd(8) man:holdfast.conf(5)\n"
				     "Wants=holdfastd.service\n"
				     "After=holdfastd.service\n"
				     "\n"
				     "[Service]\n"
				     "Type=dbus\n"
				     "BusName=" RENDER_BUS_NAME "\n");
	buf_printf(out, "ExecStart=%s --tcti=", tpm2->abrmd_package);
	render_own_tcti(conf, out);
	buf_put_str(out, "\nRestart=always\nRestartSec=30\n");
	buf_printf(out, "User=%s\nGroup=%s\nSupplementaryGroups=" RENDER_OWN_GROUP "\n",
		   render_abrmd_user(tpm2), render_abrmd_group(tpm2));
	buf_put_str(out, SANDBOX);
	buf_put_str(out, "\n[Install]\nWantedBy=multi-user.target\n");
}

/* The system's bus allows nothing by itself. */
void render_abrmd_bus(const struct conf *conf, struct buf *out)
{
	const char *user = render_abrmd_user(&conf->tpm2);
	const char *const who[][2] = {
		{"user", "root"}, {"user", user}, {"group", render_abrmd_group(&conf->tpm2)}};
	size_t i;

	buf_put_str(out, "<!DOCTYPE busconfig PUBLIC"
			 " \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
			 " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
			 "<!-- " RENDER_HEAD_TEXT " -->\n"
			 "<busconfig>\n");
	buf_printf(out,
		   "  <policy user=\"%s\">\n"
		   "    <allow own=\"" RENDER_BUS_NAME "\"/>\n"
		   "  </policy>\n",
		   user);
	for (i = 0; i < ARRAY_LEN(who); i++)
		buf_printf(out,
			   "  <policy %s=\"%s\">\n"
			   "    <allow send_destination=\"" RENDER_BUS_NAME "\"/>\n"
			   "    <allow receive_sender=\"" RENDER_BUS_NAME "\"/>\n"
			   "  </policy>\n",
			   who[i][0], who[i][1]);
	buf_put_str(out, "</busconfig>\n");
}
