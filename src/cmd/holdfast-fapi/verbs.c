/* SPDX-License-Identifier: Apache-2.0 */
/* The five verbs: each a call of FAPI and what makes its effect durable. */
#include <string.h>
#include <time.h>
#include <tss2/tss2_fapi.h>

#include "base/json.h"
#include "cmd/holdfast-fapi/helper.h"

#define SRK_FOLDER "/HS/SRK"
#define SEAL_TYPE  "noda"

static void fapi_free_cleanup(void *p)
{
	Fapi_Free(*(void **)p);
}

static void put_text(struct helper *helper, const char *name, const char *text)
{
	buf_printf(&helper->members, ",\"%s\":", name);
	json_put_string(&helper->members, text);
}

static void put_bool(struct helper *helper, const char *name, bool value)
{
	buf_printf(&helper->members, ",\"%s\":%s", name, value ? "true" : "false");
}

/* --- probe --- */

static uint64_t milliseconds_since(uint64_t start_us)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u - start_us) / 1000u;
}

int verb_probe(struct helper *helper, struct err *err)
{
	(void)err; /* the context is open: that was it */
	put_bool(helper, "connects", true);
	put_bool(helper, "provisioned", settle_is_provisioned(helper));
	put_text(helper, "profile", helper->config.profile_name);
	put_bool(helper, "confined", helper->confined);
	buf_printf(&helper->members, ",\"milliseconds\":%llu",
		   (unsigned long long)milliseconds_since(helper->start_us));
	return 0;
}

/* --- provision --- */

int verb_provision(struct helper *helper, struct err *err)
{
	bool already = settle_is_provisioned(helper);
	bool adopted = false;
	int r = 0;

	if (!already)
		r = settle_forget(helper, err);
	if (r == 0 && !already)
		r = helper_check(helper, "Fapi_Provision",
				 Fapi_Provision(helper->context, NULL, NULL, NULL), err);
	/* Also where it was provisioned: the one who did it may have been killed before this. */
	if (r == 0)
		r = settle_provisioned(helper, err);
	if (r == 0)
		r = settle_srk(helper, &adopted, err);
	if (r < 0)
		return r;
	put_text(helper, "profile", helper->config.profile_name);
	put_text(helper, "srk", adopted ? "adopted" : "made");
	put_bool(helper, "already", already);
	return 0;
}

/* --- seal --- */

int verb_seal(struct helper *helper, struct err *err)
{
	TSS2_RC rc =
		Fapi_CreateSeal(helper->context, helper->path, SEAL_TYPE, secret_size(helper->data),
				NULL, NULL, secret_data(helper->data));
	int r = helper_check(helper, "Fapi_CreateSeal", rc, err);

	if (r < 0)
		return r;
	r = settle_record(helper, helper->config.user_dir, helper->path + 1, err);
	if (r == 0)
		put_text(helper, "path", helper->path);
	else
		/* Refused as a whole: what may not survive a power cut is not left behind. */
		(void)Fapi_Delete(helper->context, helper->path);
	return r;
}

/* --- list --- */

/* "/P_ECCP256SHA256/HS/SRK/name" without its profile; NULL when it is none of ours. */
static const char *below_srk(const struct helper *helper, const char *path)
{
	size_t len = strlen(helper->config.profile_name);

	if (path[0] != '/' || strncmp(path + 1, helper->config.profile_name, len) != 0)
		return NULL;
	path += 1 + len;
	return strncmp(path, SRK_FOLDER "/", strlen(SRK_FOLDER "/")) == 0 ? path : NULL;
}

int verb_list(struct helper *helper, struct err *err)
{
	CLEANUP(fapi_free_cleanup) char *list = NULL;
	char *name, *rest = NULL;
	const char *path;
	bool first = true;
	int r = helper_check(helper, "Fapi_List", Fapi_List(helper->context, SRK_FOLDER, &list),
			     err);

	if (r < 0)
		return r;
	buf_put_str(&helper->members, ",\"objects\":[");
	for (name = strtok_r(list, ":", &rest); name; name = strtok_r(NULL, ":", &rest)) {
		path = below_srk(helper, name);
		if (!path)
			continue;
		buf_put_str(&helper->members, first ? "" : ",");
		json_put_string(&helper->members, path);
		first = false;
	}
	buf_put_str(&helper->members, "]");
	return 0;
}

/* --- delete --- */

int verb_delete(struct helper *helper, struct err *err)
{
	int r = helper_check(helper, "Fapi_Delete", Fapi_Delete(helper->context, helper->path),
			     err);

	return r < 0 ? r : settle_deleted(helper, err);
}
