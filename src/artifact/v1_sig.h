/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_V1_SIG_H
#define ARTIFACT_V1_SIG_H

/*
 * V1 sig: `<name>.sig`, a detached CMS signature (crypto/cms.h) over what a resource is called, how
 * long it is and the digest of small || big. Loaders of before pass over it. Both sides write the
 * signed text from what they know, so nobody parses it (docs/ARTIFACT.md, "Signature").
 */

#include "artifact/resource.h"
#include "artifact/v1.h"
#include "crypto/cms.h"

/* The extended key usage of who signs resources, an arc of its own (X.667). */
#define V1_SIG_USAGE	"2.25.331222883403935337620007880232889463152"
#define V1_SIG_TEXT_MAX 1024u

struct v1_release {
	struct resource resource;
	struct v1_seen seen;
};

/* Appends the text that is signed. ERR_INVALID: no such resource (resource.h). */
int v1_sig_text(const struct v1_release *release, struct buf *ret_text, struct err *err) MUST_CHECK;

/* As cms_verify(); the anchors and the time are the caller's. */
int v1_sig_verify(struct slice sig, const struct v1_release *release, struct slice anchors,
		  int64_t at, struct err *err) MUST_CHECK;

/* As cms_verify_signer(): what can be said of a signature before its blob is there. */
int v1_sig_verify_signer(struct slice sig, struct slice anchors, int64_t at, struct err *err)
	MUST_CHECK;

/* As cms_sign(). */
int v1_sig_make(const struct v1_release *release, const struct pkey *key, struct slice chain,
		struct buf *ret_sig, struct err *err) MUST_CHECK;

#endif
