/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSSL_HAND_H
#define OPENSSL_HAND_H

/*
 * Hand: a key on its way from a key file or from our store, through OpenSSL, to keymgmt. OpenSSL
 * carries bytes that say nothing but that there is one; the last step finds it here, on the same
 * thread and further down the same call. So nobody else's bytes name a key, and the service is
 * asked once, and only where OpenSSL has come as far as to want one.
 */

#include <stdbool.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include "openssl/key.h"

#define HAND_STRUCTURE "holdfast"

struct hand {
	struct module *module;
	struct uri uri;
	bool from_file;	    /* for programs that want a private key; openssl.cnf may bind it */
	struct key *key;    /* held; NULL as long as it is not loaded */
	int code;	    /* why that was in vain; 0 = it was not */
	char text[512];	    /* .. of that */
	struct hand *outer; /* hand.c's */
};

/* Lets go of the key. */
void hand_fini(struct hand *hand);

/* Gives it to @take. What @take returns; where loading failed, 0 and that error is raised. */
int hand_give(struct hand *hand, OSSL_CALLBACK *take, void *arg);

/* True when somebody gives a key of @module on this thread. */
bool hand_is_there(const struct module *module);

/*
 * The key that is given, held, with as much of it as @selection asks for, when @in has the bytes
 * that say so. NULL: it has not, or the key cannot be had, or is none of @type.
 */
struct key *hand_take(struct module *module, OSSL_CORE_BIO *in, const char *type, int selection);

#endif
