/* SPDX-License-Identifier: Apache-2.0 */
#include "openssl/hand.h"

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "base/mem.h"

/* What OpenSSL carries must be DER: a SEQUENCE of the UTF8String "holdfast key". */
static uint8_t token[] = "\x30\x0e\x0c\x0choldfast key";
#define TOKEN_LEN (sizeof(token) - 1)

static _Thread_local struct hand *given;

void hand_fini(struct hand *hand)
{
	key_free(hand->key);
	hand->key = NULL;
}

bool hand_is_there(const struct module *module)
{
	return given && given->module == module;
}

/* OpenSSL drops what was raised within some of its loops, and the reason with it. */
static void tell_again(const struct hand *hand)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != -hand->code)
		(void)module_fail(hand->module, hand->code, "%s", hand->text);
}

int hand_give(struct hand *hand, OSSL_CALLBACK *take, void *arg)
{
	char structure[] = HAND_STRUCTURE;
	int object = OSSL_OBJECT_PKEY, ok;
	OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &object),
		OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, structure,
				       sizeof(structure) - 1),
		OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_DATA, token, TOKEN_LEN),
		OSSL_PARAM_END,
	};

	hand->outer = given;
	given = hand;
	ok = take(params, arg);
	given = hand->outer;
	if (hand->code == 0)
		return ok;
	tell_again(hand);
	return 0;
}

/* --- taking --- */

static bool has_token(const struct module *module, OSSL_CORE_BIO *in)
{
	uint8_t bytes[TOKEN_LEN];
	size_t len = 0, n;

	while (len < TOKEN_LEN) {
		if (module->bio_read(in, bytes + len, TOKEN_LEN - len, &n) != 1 || n == 0)
			return false;
		len += n;
	}
	return slice_equal(slice_of(bytes, len), slice_of(token, TOKEN_LEN));
}

/* A file may come from anywhere, and with it the socket that it names. */
static int check_socket(const struct hand *hand)
{
	char usual[URI_SOCKET_MAX + 1];

	if (!hand->from_file || hand->module->file_sockets || hand->uri.socket[0] == '\0')
		return 1;
	if (!module_socket(hand->module, "", usual))
		return 0;
	if (strcmp(hand->uri.socket, usual) == 0)
		return 1;
	return module_fail(hand->module, ERR_FORBIDDEN,
			   "the key file names the socket %s, and openssl.cnf (file_sockets) lets "
			   "it name %s alone",
			   hand->uri.socket, usual);
}

static void load(struct hand *hand)
{
	const char *text = NULL;
	unsigned long error;
	int flags = 0;

	if (check_socket(hand))
		hand->key = key_load(hand->module, &hand->uri);
	if (hand->key)
		return;
	error = ERR_peek_last_error_all(NULL, NULL, NULL, &text, &flags);
	hand->code = error != 0 ? -ERR_GET_REASON(error) : ERR_INTERNAL;
	(void)snprintf(hand->text, sizeof(hand->text), "%s",
		       text && (flags & ERR_TXT_STRING) ? text : "the key cannot be loaded");
}

struct key *hand_take(struct module *module, OSSL_CORE_BIO *in, const char *type, int selection)
{
	/* Who looks through a store for certificates does not always say so, and asks for all. */
	const bool wants_all = selection == 0 && !(given && given->from_file);
	const bool wants_private = wants_all || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;

	if (!hand_is_there(module) || !has_token(module, in) || given->code != 0 ||
	    (given->from_file && !wants_private))
		return NULL;
	if (!given->key)
		load(given);
	if (!given->key || strcmp(key_type(given->key), type) != 0)
		return NULL;
	return wants_private ? key_hold(given->key) : key_new_public(given->key);
}
