/* SPDX-License-Identifier: Apache-2.0 */

/* Messages that the chip hashes: whole ones for attestation keys, and such as come in pieces. */

#include "provider/impl.h"
#include "provider/tpm/impl.h"

_Static_assert(PROVIDER_MESSAGES_MAX <= ENGINE_MESSAGES_MAX, "the engine takes as many");

struct pieces {
	struct opened opened; /* its slices are the caller's */
	struct engine_message *message;
	enum pieces_of of;
	bool begun; /* the first piece was seen */
};

static const enum engine_use uses[] = {
	[PIECES_MAC] = ENGINE_MAC,
	[PIECES_AIK] = ENGINE_SIGN,
};

int tpm_aik_sign(struct provider *p, struct slice header, struct slice object, struct slice message,
		 struct buf *ret_signature, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	int r = opened_open_aik(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(p, engine_sign_message(tpm_engine(p), &opened.object, message,
						    ret_signature, err));
	return tpm_refused_is_damaged(r, err);
}

int tpm_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
		     struct slice object, struct pieces **ret_pieces, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct pieces *pieces = calloc(1, sizeof(*pieces));
	int r;

	if (!pieces)
		return err_set(err, ERR_INTERNAL, "out of memory");
	pieces->of = of;
	r = of == PIECES_AIK ? opened_open_aik(tpm_of(p), header, object, &pieces->opened, err)
			     : opened_open(tpm_of(p), header, object, &pieces->opened, err);
	if (r < 0)
		return r;
	r = tpm_used(p, engine_message_start(tpm_engine(p), &pieces->opened.object, uses[of],
					     &pieces->message, err));
	if (r < 0) {
		opened_fini(&pieces->opened);
		return tpm_refused_is_damaged(r, err);
	}
	*ret_pieces = TAKE(pieces);
	return 0;
}

/* Before the chip has hashed all of it, to refuse it then. */
static int check_first(struct pieces *pieces, struct slice piece, struct err *err)
{
	bool first = !pieces->begun;

	pieces->begun = true;
	return first && pieces->of == PIECES_AIK ? provider_check_message(piece, err) : 0;
}

int tpm_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece, struct err *err)
{
	int r = check_first(pieces, piece, err);

	if (r < 0)
		return r;
	return tpm_used(p, engine_message_add(tpm_engine(p), pieces->message, piece, err));
}

int tpm_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
		   struct buf *ret_result, struct err *err)
{
	int r = check_first(pieces, last, err);

	if (r == 0)
		r = tpm_used(p, engine_message_end(tpm_engine(p), pieces->message, last, ret_result,
						   err));
	tpm_pieces_free(p, pieces);
	return tpm_refused_is_damaged(r, err);
}

void tpm_pieces_free(struct provider *p, struct pieces *pieces)
{
	engine_message_free(tpm_engine(p), pieces->message);
	opened_fini(&pieces->opened);
	free(pieces);
}
