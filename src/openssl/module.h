/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSSL_MODULE_H
#define OPENSSL_MODULE_H

/*
 * Module: one use of holdfast.so by one library context of OpenSSL. It holds what OpenSSL gave us,
 * and a library context of our own with the default provider, which does all that a public half can
 * do: it is made with the first key, so that a program that has the module active and does not use
 * it pays next to nothing.
 *
 * One connection is kept, and only while signatures follow each other closely: a server's many
 * workers would else use up the tenant's connections, each with one that lies idle.
 *
 * Any thread may call; no lock is held while the service is asked, since there is none.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

#include "base/err.h"
#include "holdfast/client.h"
#include "openssl/uri.h"

#define MODULE_TIMEOUT_MS 15000u /* a handshake waits as long; openssl.cnf may say another */
#define MODULE_PAUSE_MS	  5000u	 /* for so long nobody waits again */
#define MODULE_PAUSES	  4u
#define MODULE_IDLE_MS	  2000u /* between two uses of a kept connection */

struct module {
	const OSSL_CORE_HANDLE *handle;
	OSSL_FUNC_core_new_error_fn *new_error;
	OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
	OSSL_FUNC_core_vset_error_fn *vset_error;
	OSSL_FUNC_core_get_params_fn *get_params;
	OSSL_FUNC_core_get_libctx_fn *get_libctx;
	OSSL_FUNC_BIO_gets_fn *bio_gets;
	OSSL_FUNC_BIO_read_ex_fn *bio_read;
	_Atomic(OSSL_LIB_CTX *) inner;
	_Atomic(struct hf *) idle;
	_Atomic(uint64_t)
		used_ms; /* when module_keep() came last, in clock_monotonic_us() / 1000 */
	_Atomic(uint64_t) paused[MODULE_PAUSES]; /* sockets that are not asked, and until when */
	char socket[URI_SOCKET_MAX + 1];	 /* of openssl.cnf; "" = none */
	unsigned timeout_ms;
	bool file_sockets; /* a key file may name any socket */
};

/* The library context with the default provider alone; NULL when memory is short. */
OSSL_LIB_CTX *module_inner(struct module *module);

/*
 * A handle of the service behind @socket. NULL, with the error raised, when there is none, and for
 * MODULE_PAUSE_MS after a call that timed out: who has many handshakes waits for one of them.
 */
struct hf *module_connect(struct module *module, const char *socket);
void module_disconnect(struct module *module, struct hf *hf);
/* The same, when another request like it may come soon. */
void module_keep(struct module *module, struct hf *hf);

/*
 * @named where it is not "", else the environment's, that of openssl.cnf, or the default. 0, with
 * the error raised, when the environment's is none. @named may be @path.
 */
int module_socket(const struct module *module, const char *named, char path[URI_SOCKET_MAX + 1]);

/* Puts an error on OpenSSL's queue; each returns 0, OpenSSL's word for failure. */
int module_fail(const struct module *module, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int module_fail_err(const struct module *module, const struct err *err);
int module_fail_hf(const struct module *module, const struct hf *hf); /* of its last call */
int module_fail_memory(const struct module *module);

/* One of these stands in each of the files that it is named after. */
extern const OSSL_ALGORITHM keymgmt_algorithms[];
extern const OSSL_ALGORITHM signature_algorithms[];
extern const OSSL_ALGORITHM exchange_algorithms[];
extern const OSSL_ALGORITHM cipher_algorithms[];
extern const OSSL_ALGORITHM decoder_algorithms[];
extern const OSSL_ALGORITHM store_algorithms[];

#define MODULE_FN(fn)	  ((void (*)(void))(fn))
#define MODULE_PROPERTIES "provider=holdfast"

#endif
