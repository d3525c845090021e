/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of which there is one form only: no spaces, members in order, nothing that needs escapes. */

#include "artifact/v1_sig.h"

#include <inttypes.h>

#include "base/base64.h"

int v1_sig_text(const struct v1_release *release, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	int r = resource_check(&release->resource, err);

	if (r < 0)
		return r;
	buf_put_str(&text, "{\"holdfast\":\"resource v1\",\"folder\":\"");
	buf_put(&text, release->resource.folder);
	buf_put_str(&text, "\",\"name\":\"");
	buf_put(&text, release->resource.name);
	buf_printf(&text, "\",\"length\":%" PRIu64 ",\"sha256\":\"", release->seen.size);
	hex_encode(&text, slice_of(release->seen.digest, V1_DIGEST));
	buf_put_str(&text, "\"}");
	buf_put(ret_text, buf_slice(&text));
	return buf_ok(&text) && buf_ok(ret_text) ? 0
						 : err_set(err, ERR_INTERNAL, "memory is short");
}

int v1_sig_verify(struct slice sig, const struct v1_release *release, struct slice anchors,
		  int64_t at, struct err *err)
{
	const struct cms_trust trust = {.anchors = anchors, .usage = V1_SIG_USAGE, .at = at};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	int r = v1_sig_text(release, &text, err);

	return r < 0 ? r : cms_verify(sig, buf_slice(&text), &trust, err);
}

int v1_sig_verify_signer(struct slice sig, struct slice anchors, int64_t at, struct err *err)
{
	const struct cms_trust trust = {.anchors = anchors, .usage = V1_SIG_USAGE, .at = at};

	return cms_verify_signer(sig, &trust, err);
}

int v1_sig_make(const struct v1_release *release, const struct pkey *key, struct slice chain,
		struct buf *ret_sig, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	int r = v1_sig_text(release, &text, err);

	return r < 0 ? r : cms_sign(key, chain, buf_slice(&text), ret_sig, err);
}
