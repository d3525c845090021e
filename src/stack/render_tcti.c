/* SPDX-License-Identifier: Apache-2.0 */
/* By which way each program reaches the TPM. */
#include <string.h>

#include "stack/render_impl.h"

static const char *const VARIABLES[] = {"TPM2TOOLS_TCTI", "TPM2_PKCS11_TCTI", "TPM2OPENSSL_TCTI"};

void render_own_tcti(const struct conf *conf, struct buf *out)
{
	buf_printf(out, "swtpm:path=%s/tpm.sock", conf->run_dir);
}

static void put_device(const struct conf *conf, struct buf *out)
{
	buf_printf(out, "device:%s", conf->tpm2.tcti_device_conf);
}

static void put_tabrmd(const struct conf *conf, struct buf *out)
{
	buf_printf(out, "tabrmd:%s", conf->tpm2.tcti_tabrmd_conf);
}

void render_environment_tcti(const struct conf *conf, struct buf *out)
{
	static const struct {
		const char *word;
		void (*put)(const struct conf *conf, struct buf *out);
	} INTERFACES[] = {
		{"tabrmd", put_tabrmd},
		{"device", put_device},
		{"holdfast", render_own_tcti},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(INTERFACES); i++)
		if (strcmp(conf->tpm2.tcti_interface, INTERFACES[i].word) == 0)
			INTERFACES[i].put(conf, out);
}

static void put_variables(const struct conf *conf, const char *before, const char *quote,
			  struct buf *out)
{
	size_t i;

	buf_put_str(out, RENDER_HEAD);
	for (i = 0; i < ARRAY_LEN(VARIABLES); i++) {
		buf_printf(out, "%s%s=%s", before, VARIABLES[i], quote);
		render_environment_tcti(conf, out);
		buf_printf(out, "%s\n", quote);
	}
}

void render_profile(const struct conf *conf, struct buf *out)
{
	put_variables(conf, "export ", "'", out);
}

void render_environment(const struct conf *conf, struct buf *out)
{
	put_variables(conf, "", "", out);
}

/* p11-kit looks for a name without a slash in its own folder. */
void render_pkcs11_module(const struct conf *conf, struct buf *out)
{
	(void)conf;
	buf_put_str(out, RENDER_HEAD "module: libtpm2_pkcs11.so\n");
}
