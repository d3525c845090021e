/* SPDX-License-Identifier: Apache-2.0 */
/* The words of artifact publish, of both formats. */
#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/publish.h"
#include "cmd/holdfast/release.h"
#include "cmd/holdfast/verb.h"

/* What the manifest says for people, and what devices go by. */
#define OPTS_RELEASE(given)                                                                        \
	{.kind = OPT_TEXT,                                                                         \
	 .name = "version",                                                                        \
	 .value = "TEXT",                                                                          \
	 .help = "v2: what people call this release",                                              \
	 .text = &(given).version},                                                                \
		{.kind = OPT_TEXT,                                                                 \
		 .name = "serial",                                                                 \
		 .value = "N",                                                                     \
		 .help = "v2: devices take no lower one any more; default: the next",              \
		 .text = &(given).serial},                                                         \
		{.kind = OPT_TEXT,                                                                 \
		 .name = "expires",                                                                \
		 .value = "WHEN",                                                                  \
		 .help = "v2: YYYY-MM-DD, or from now on 90d, 12h, ..; default: never",            \
		 .text = &(given).expires},                                                        \
	{                                                                                          \
		.kind = OPT_CHOICE, .name = "min-format", .value = "1|2",                          \
		.help = "v2: 1, version 1 of this name goes on; default: 2, it never does again",  \
		.text = &(given).min_format                                                        \
	}

static void words_fini(struct publish_words *words)
{
	artifact_signer_fini(&words->signer);
}

int verb_artifact_publish(struct cli *cli, struct opt_words words)
{
	CLEANUP(words_fini) struct publish_words given = {.signer = ARTIFACT_SIGNER_INIT};
	const struct opt opts[] = {
		{.kind = OPT_CHOICE,
		 .name = "format",
		 .value = "v1|v2",
		 .help = "how it is protected: v1, for all who can log in; v2, for devices that it "
			 "is wrapped for; default: v1",
		 .text = &given.format},
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "how it is called: up to 246 of A-Z a-z 0-9 . _ - (v1: 249)",
		 .required = true,
		 .text = &given.name},
		{.kind = OPT_TEXT,
		 .name = "folder",
		 .value = "NAME",
		 .help = "where it goes; default: models",
		 .text = &given.folder},
		VERB_OPT_IN("what is published", &given.in),
		RELEASE_OPT_ORIGIN(given),
		{.kind = OPT_TEXT,
		 .name = "salts",
		 .value = "FILE",
		 .help = "v1: the servers' salts, of which `resource` makes the key",
		 .text = &given.salts},
		ARTIFACT_OPTS_SIGN(given.signer),
		OPTS_RELEASE(given),
		{.kind = OPT_CHOICE,
		 .name = "protection",
		 .value = "tpm|software",
		 .help = "v2: what the devices' storage keys must be in; default: tpm",
		 .text = &given.protection},
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "file|docker-archive",
		 .help = "v2: what it is; default: file",
		 .text = &given.type},
		{.kind = OPT_LIST,
		 .name = "image",
		 .value = "REF=ID",
		 .help = "v2: an image in the archive, by its name with tag and its sha256:..",
		 .list = &given.images},
		{.kind = OPT_TEXT,
		 .name = "content-key",
		 .value = "FILE",
		 .help = "v2: where the release's key is kept, to wrap it for more devices",
		 .text = &given.content_key},
		RELEASE_OPTS_DEVICES("v2: ", given.device, given.devices),
		RELEASE_OPT_ANCHORS("v2: PEM of those who must have signed the release before",
				    given.anchors),
	};
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	if (r >= 0)
		return r;
	if (given.format && strcmp(given.format, "v2") == 0)
		return publish_v2(cli, &given);
	return publish_v1(cli, &given);
}
