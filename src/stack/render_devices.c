/* SPDX-License-Identifier: Apache-2.0 */
/* Who may open the TPM: device nodes, users and groups, folders that TPM2 software shares. */
#include <string.h>

#include "stack/apply.h"
#include "stack/render_impl.h"

#define DEFAULT_NAME "tss"

/* --- udev --- */

static void put_rule(struct buf *out, const char *subsystem, const char *user, const char *group)
{
	buf_printf(out, "SUBSYSTEM==\"%s\", KERNEL==\"%s[0-9]*\", TAG+=\"systemd\", MODE=\"0660\"",
		   subsystem, subsystem);
	if (user[0] != '\0')
		buf_printf(out, ", OWNER=\"%s\"", user);
	if (group[0] != '\0')
		buf_printf(out, ", GROUP=\"%s\"", group);
	buf_put_u8(out, '\n');
}

/* The packages' own rules come before: what is not set here stays as they have it. */
void render_udev_rules(const struct conf *conf, struct buf *out)
{
	buf_put_str(out, RENDER_HEAD);
	put_rule(out, "tpm", render_user(&conf->tpm2), RENDER_NODE_GROUP);
	put_rule(out, "tpmrm", "", conf->tpm2.tss_group);
}

/* The mark comes last: what was not done to its end is done again at the next start. */
void render_udev_trigger(const char *digest, struct buf *out)
{
	buf_printf(out,
		   RENDER_HEAD
		   "[Unit]\n"
		   "Description=Give the TPM's device nodes to those that the rules name\n"
		   "Documentation=man:holdfast.conf(5)\n"
		   "After=systemd-udevd.service\n"
		   "ConditionPathIsReadWrite=/sys\n"
		   "ConditionPathExists=!" STACK_STATE "/udev-%s\n"
		   "\n"
		   "[Service]\n"
		   "Type=oneshot\n"
		   "ExecStart=udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm\n"
		   "ExecStart=mkdir -p " STACK_STATE "\n"
		   "ExecStart=find " STACK_STATE " -maxdepth 1 -name \"udev-*\" -delete\n"
		   "ExecStart=touch " STACK_STATE "/udev-%s\n"
		   "\n"
		   "[Install]\n"
		   "WantedBy=multi-user.target\n",
		   digest, digest);
}

/* --- users and groups --- */

/* Names of the administrator's own choice are made by him. */
void render_sysusers(const struct conf *conf, struct buf *out)
{
	const struct conf_tpm2 *tpm2 = &conf->tpm2;
	bool user = strcmp(render_user(tpm2), DEFAULT_NAME) == 0 ||
		    (tpm2->abrmd_enable && strcmp(render_abrmd_user(tpm2), DEFAULT_NAME) == 0);
	bool group = strcmp(tpm2->tss_group, DEFAULT_NAME) == 0 ||
		     (tpm2->abrmd_enable && strcmp(render_abrmd_group(tpm2), DEFAULT_NAME) == 0);

	if (!user && !group)
		return;
	buf_put_str(out, RENDER_HEAD);
	if (group)
		buf_put_str(out, "g " DEFAULT_NAME " -\n");
	if (user)
		buf_put_str(out, "u " DEFAULT_NAME " - \"TPM2 software\"\n");
}

/* --- folders --- */

static const char *or_dash(const char *name)
{
	return name[0] == '\0' ? "-" : name;
}

void render_tmpfiles(const struct conf *conf, struct buf *out)
{
	const struct conf_tpm2 *tpm2 = &conf->tpm2;
	const char *group = or_dash(tpm2->tss_group);

	buf_put_str(out, RENDER_HEAD);
	buf_printf(out, "d %s 2750 %s %s -\n", tpm2->fapi.log_dir, or_dash(render_user(tpm2)),
		   group);
	buf_printf(out, "d %s 2770 root %s -\n", tpm2->fapi.system_dir, group);
	if (tpm2->pkcs11_enable)
		buf_printf(out, "d /etc/tpm2_pkcs11 2770 root %s -\n", group);
}
