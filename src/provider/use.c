/* SPDX-License-Identifier: Apache-2.0 */
/* The door, for what is done with keys beside signing digests: decrypt, agree, MAC, pieces. */

#include "provider/impl.h"

#define MAC_SIZE    64u
#define RESULT_MAX  1024u
#define MODULUS_MAX 384u

int provider_key_decrypt(struct provider *p, struct slice header, struct slice object,
			 const struct decrypt_request *request, struct secret **ret_plain,
			 struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r;

	if (!p || !p->ops->key_decrypt)
		return provider_not_there(err);
	if ((unsigned)request->hash >= HASH_ALGS)
		return err_set(err, ERR_INVALID, "unknown hash");
	if (request->label.len > PROVIDER_LABEL_MAX)
		return err_set(err, ERR_INVALID, "a label has at most %u bytes",
			       PROVIDER_LABEL_MAX - 1);
	/* Nor may it have another one (Part 1, B.4). */
	if (request->label.len && memchr(request->label.data, 0, request->label.len) !=
					  request->label.data + request->label.len - 1)
		return err_set(err, ERR_INVALID, "a label ends in its only NUL");
	if (request->ciphertext.len == 0 || request->ciphertext.len > MODULUS_MAX)
		return err_set(err, ERR_INVALID,
			       "a ciphertext is as long as the modulus of the key");
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_decrypt(p, header, object, request, &plain, err);
	if (r == 0)
		*ret_plain = TAKE(plain);
	return r;
}

int provider_key_agree(struct provider *p, struct slice header, struct slice object,
		       const struct pkey *peer, struct secret **ret_shared, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	int r;

	if (!p || !p->ops->key_agree)
		return provider_not_there(err);
	if (pkey_type_is_rsa(pkey_type(peer)))
		return err_set(err, ERR_INVALID, "the peer's key is not on an elliptic curve");
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_agree(p, header, object, peer, &shared, err);
	if (r == 0)
		*ret_shared = TAKE(shared);
	return r;
}

int provider_key_mac(struct provider *p, struct slice header, struct slice object,
		     struct slice data, struct buf *ret_mac, struct err *err)
{
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(MAC_SIZE);
	int r;

	if (!p || !p->ops->key_mac)
		return provider_not_there(err);
	if (data.len > PROVIDER_PIECE_MAX)
		return err_set(err, ERR_INTERNAL, "%zu bytes are no piece", data.len);
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_mac(p, header, object, data, &mac, err);
	return r < 0 ? r : provider_hand_over(&mac, ret_mac, err);
}

static int check_piece(struct slice piece, struct err *err)
{
	if (piece.len == 0 || piece.len > PROVIDER_PIECE_MAX)
		return err_set(err, ERR_INTERNAL, "%zu bytes are no piece", piece.len);
	return 0;
}

int provider_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
			  struct slice object, struct pieces **ret_pieces, struct err *err)
{
	int r;

	if (!p || !p->ops->pieces_start || (of == PIECES_AIK && !p->ops->aik_sign))
		return provider_not_there(err);
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, of == PIECES_AIK, err);
	return r < 0 ? r : p->ops->pieces_start(p, of, header, object, ret_pieces, err);
}

int provider_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece,
			struct err *err)
{
	int r = check_piece(piece, err);

	return r < 0 ? r : p->ops->pieces_add(p, pieces, piece, err);
}

int provider_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
			struct buf *ret_result, struct err *err)
{
	CLEANUP(buf_fini) struct buf result = BUF_INIT(RESULT_MAX);
	int r = check_piece(last, err);

	if (r < 0) {
		provider_pieces_free(p, pieces);
		return r;
	}
	r = p->ops->pieces_end(p, pieces, last, &result, err);
	return r < 0 ? r : provider_hand_over(&result, ret_result, err);
}

void provider_pieces_free(struct provider *p, struct pieces *pieces)
{
	if (pieces)
		p->ops->pieces_free(p, pieces);
}
