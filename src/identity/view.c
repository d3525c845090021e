/* SPDX-License-Identifier: Apache-2.0 */
/* The view: what everybody else knows of the identity, and signing with it. */
#include "identity/impl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct identity_view *identity_view_hold(struct identity_view *view)
{
	if (view)
		(void)atomic_fetch_add(&view->users, 1);
	return view;
}

void identity_view_free(struct identity_view *view)
{
	if (!view || atomic_fetch_sub(&view->users, 1) > 1)
		return;
	buf_fini(&view->header);
	buf_fini(&view->spki);
	buf_fini(&view->chain);
	buf_fini(&view->pending);
	buf_fini(&view->cross);
	pkey_free(view->soft);
	free(view);
}

void story_alarm(struct story *story, const char *text)
{
	size_t len = strlen(story->alarm);

	if (!text || text[0] == '\0' || strstr(story->alarm, text))
		return;
	(void)snprintf(story->alarm + len, sizeof(story->alarm) - len, "%s%s", len > 0 ? "; " : "",
		       text);
}

/* --- making one --- */

static int fill_chip(struct identity_view *view, const struct found *found, struct err *err)
{
	const struct identity_record *record = &found->record;
	const struct identity_key *key = &found->key;
	bool ours = found->facts.key == KEY_OURS;
	bool known = found->facts.record == RECORD_KEY;

	view->type = PKEY_ECC_P256;
	view->on_chip = known || found->facts.record != RECORD_BLANK;
	if (!ours && !known)
		return identity_copy(&view->chain, buf_slice(&found->chain), err);
	view->handle = ours ? key->handle : record->handle;
	view->name_len = ours ? key->name_len : record->name_len;
	memcpy(view->name, ours ? key->name : record->name, view->name_len);
	memcpy(view->found_name, found->other, found->other_len);
	view->found_name_len = found->other_len;
	if (identity_copy(&view->header, buf_slice(ours ? &key->header : &record->header), err) <
		    0 ||
	    identity_copy(&view->spki, buf_slice(ours ? &key->spki : &record->spki), err) < 0 ||
	    identity_copy(&view->chain, buf_slice(known ? &record->chain : &found->chain), err) < 0)
		return err->code;
	return 0;
}

/* Parsed anew: the pair of the facts ends with them. */
static int fill_soft(struct identity_view *view, const struct found *found, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *der = NULL;
	bool fits = found->facts.certificate == CERTIFICATE_SOFT;
	int r = 0;

	view->type = PKEY_ECC_P256;
	view->confirming = found->facts.journal == JOURNAL_CONFIRM;
	if (found->soft)
		r = pkey_to_pkcs8(found->soft, &der, err);
	if (r == 0 && found->soft)
		r = pkey_from_pkcs8(secret_slice(der), &view->soft, err);
	if (r == 0)
		r = identity_copy(&view->spki, buf_slice(&found->soft_spki), err);
	if (r == 0 && fits)
		r = identity_copy(&view->chain, buf_slice(&found->chain), err);
	if (r == 0 && view->confirming)
		r = identity_copy(&view->pending, buf_slice(&found->journal.chain), err);
	if (r == 0 && view->confirming)
		r = identity_copy(&view->cross, buf_slice(&found->journal.cross), err);
	if (view->confirming)
		view->pending_handle = found->journal.handle;
	return r;
}

/* NULL: nothing is told of a key. */
static int (*const FILLS[IDENTITY_MODES])(struct identity_view *view, const struct found *found,
					  struct err *err) = {
	[IDENTITY_SOFTWARE] = fill_soft,
	[IDENTITY_ENABLED] = fill_chip,
	[IDENTITY_DEGRADED] = fill_chip,
	[IDENTITY_CONFLICT] = fill_chip,
};

/* That of the identity where it has one, else that of the mode. */
static void fill_since(struct identity_view *view, const struct view_order *order)
{
	bool has = order->mode == IDENTITY_ENABLED || order->mode == IDENTITY_SOFTWARE;
	const char *since = order->found->record.since;

	if (has && since[0] != '\0')
		(void)snprintf(view->since, sizeof(view->since), "%s", since);
	else if (order->before && order->before->mode == order->mode)
		(void)snprintf(view->since, sizeof(view->since), "%s", order->before->since);
	else
		identity_time(order->world->now, view->since);
}

int identity_view_make(const struct view_order *order, struct identity_view **ret_view,
		       struct err *err)
{
	CLEANUP(identity_view_cleanup) struct identity_view *view = calloc(1, sizeof(*view));
	const struct found *found = order->found;
	int r;

	if (!view)
		return err_set(err, ERR_INTERNAL, "memory is short");
	view->users = 1;
	view->mode = order->mode;
	view->header.max = IDENTITY_HEADER_MAX;
	view->spki.max = 1024;
	view->chain.max = view->pending.max = IDENTITY_CHAIN_MAX;
	view->cross.max = X509_MAX;
	view->generation = found->record.generation;
	view->tpm_available =
		order->mode == IDENTITY_SOFTWARE && found->facts.tpm == IDENTITY_TPM_OK;
	view->tpm = found->facts.tpm;
	view->marker_lost = order->marker_lost;
	(void)snprintf(view->reason, sizeof(view->reason), "%s", order->story->reason);
	(void)snprintf(view->alarm, sizeof(view->alarm), "%s", order->story->alarm);
	fill_since(view, order);
	r = FILLS[order->mode] ? FILLS[order->mode](view, found, err) : 0;
	if (r < 0)
		return r;
	*ret_view = TAKE(view);
	return 0;
}

/* --- using one --- */

static const struct {
	int code;
	const char *text;
	const char *remedy;
} REFUSALS[IDENTITY_MODES] = {
	[IDENTITY_UNPROVISIONED] = {ERR_NOT_FOUND, "this device has no identity yet",
				    "Make one: holdfast device init."},
	[IDENTITY_DEGRADED] = {ERR_TPM_FAILED, "the identity is in a TPM that does not serve now",
			       NULL},
	[IDENTITY_RESETTING] = {ERR_STARTING, "a factory reset is under way", NULL},
	[IDENTITY_CONFLICT] = {ERR_TPM_CHANGED,
			       "the key of the identity is not there, or is not ours",
			       "Bring it back, or begin anew: holdfast device approve."},
};

int identity_usable(const struct identity_view *view, struct err *err)
{
	int code = REFUSALS[view->mode].code;

	if (code == 0 && !view->on_chip && !view->soft)
		return err_set(err, ERR_UNREADABLE, "the software key cannot be read");
	if (code == 0)
		return 0;
	err_set(err, code, "%s", REFUSALS[view->mode].text);
	return REFUSALS[view->mode].remedy ? err_add_remedy(err, REFUSALS[view->mode].remedy)
					   : code;
}

int identity_sign(const struct identity_view *view, struct provider *p, enum hash_alg alg,
		  struct slice digest, struct buf *ret_signature, struct err *err)
{
	const struct provider_resident key = {.handle = view->handle,
					      .name = slice_of(view->name, view->name_len)};
	const struct sign_request request = {.scheme = PKEY_ECDSA, .hash = alg, .digest = digest};
	int r = identity_usable(view, err);

	if (r < 0)
		return r;
	if (view->soft)
		return pkey_sign(view->soft, PKEY_ECDSA, alg, digest, ret_signature, err);
	if (!p)
		return err_set(err, ERR_TPM_FAILED, "%s", REFUSALS[IDENTITY_DEGRADED].text);
	return provider_resident_sign(p, buf_slice(&view->header), &key, &request, ret_signature,
				      err);
}
