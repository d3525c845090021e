/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_RENDER_IMPL_H
#define STACK_RENDER_IMPL_H

/*
 * What the render*.c share. For this room only. Each render_x() appends one file's text to @out;
 * nothing of it is quoted but in JSON: what goes elsewhere is plain by the schema (conf/rule.h),
 * and stack_render() looks at the one value whose rule is wider.
 */

#include "conf/conf.h"
#include "stack/render.h"

#define RENDER_HEAD_TEXT                                                                           \
	"Written by `holdfast tpm2` from section tpm2 of holdfast.conf(5): change it there."
#define RENDER_HEAD "# " RENDER_HEAD_TEXT "\n"

#define RENDER_OWN_GROUP  "holdfast"		  /* whose members may use the service's sockets */
#define RENDER_NODE_GROUP "holdfast-tpm"	  /* the service alone: of the chip itself */
#define RENDER_BUS_NAME	  "com.intel.tss2.Tabrmd" /* tpm2-abrmd's own, on the system's bus */

/* Of the device nodes and folders; "" = not to be set. */
const char *render_user(const struct conf_tpm2 *tpm2);
/* As whom tpm2-abrmd runs, which refuses to be root. */
const char *render_abrmd_user(const struct conf_tpm2 *tpm2);
const char *render_abrmd_group(const struct conf_tpm2 *tpm2);

void render_udev_rules(const struct conf *conf, struct buf *out);
/* Names the digest of the rules, lower-case hexadecimal. */
void render_udev_trigger(const char *digest, struct buf *out);
void render_sysusers(const struct conf *conf, struct buf *out);
void render_tmpfiles(const struct conf *conf, struct buf *out);
void render_abrmd_unit(const struct conf *conf, struct buf *out);
void render_abrmd_bus(const struct conf *conf, struct buf *out);
void render_pkcs11_module(const struct conf *conf, struct buf *out);
void render_profile(const struct conf *conf, struct buf *out);
void render_environment(const struct conf *conf, struct buf *out);
void render_fapi_config(const struct conf *conf, struct buf *out);
void render_fapi_ecc(const struct conf *conf, struct buf *out);
void render_fapi_rsa(const struct conf *conf, struct buf *out);

/* The host's socket for raw commands, as a TCTI. */
void render_own_tcti(const struct conf *conf, struct buf *out);
/* The TCTI of the environment's variables. */
void render_environment_tcti(const struct conf *conf, struct buf *out);

#endif
