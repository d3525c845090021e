/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OpenSSL asks first, and what all the others need. What threads share is single atomic words:
 * that works in the child of a process whose other threads were here when it forked, where a lock
 * would stay locked for ever.
 */
#include "openssl/module.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "base/loop.h"
#include "base/mem.h"

#define CODES	    24 /* holdfast/error.h: -1 to -24 */
#define TIMEOUT_MAX 3600ul

static const char REMEDY_TIMEOUT[] =
	"Look whether holdfastd and its TPM work (holdfast status), then repeat.";

/* --- errors --- */

int module_fail(const struct module *module, int code, const char *fmt, ...)
{
	int reason = code < 0 && code >= -CODES ? -code : -ERR_INTERNAL;
	va_list args;

	va_start(args, fmt);
	module->new_error(module->handle);
	module->set_error_debug(module->handle, "holdfast.so", 0, "holdfast");
	module->vset_error(module->handle, (uint32_t)reason, fmt, args);
	va_end(args);
	return 0;
}

int module_fail_err(const struct module *module, const struct err *err)
{
	return module_fail(module, err->code, "%s", err->text);
}

int module_fail_hf(const struct module *module, const struct hf *hf)
{
	int code = hf_error_code(hf);

	/* The code's own remedy is that of changes, and nothing here makes one. */
	return module_fail(module, code, "%s; %s", hf_error_text(hf),
			   code == HF_TIMEOUT ? REMEDY_TIMEOUT : hf_error_remedy(hf));
}

int module_fail_memory(const struct module *module)
{
	return module_fail(module, ERR_INTERNAL, "no memory");
}

/* The texts by which OpenSSL's own tools name a reason: the names of the service's codes. */
static const OSSL_ITEM *reasons(void *data)
{
	static OSSL_ITEM items[CODES + 1];
	unsigned i;

	(void)data;
	/* Always the same bytes, whichever thread writes them. */
	for (i = 0; i < CODES; i++)
		items[i] = (OSSL_ITEM){i + 1, (void *)(uintptr_t)hf_code_name(-(int)(i + 1))};
	return items;
}

/* --- what the module has --- */

OSSL_LIB_CTX *module_inner(struct module *module)
{
	OSSL_LIB_CTX *known = atomic_load(&module->inner);
	OSSL_LIB_CTX *made;

	if (known)
		return known;
	/* Nobody activates a provider there, so OpenSSL takes the default one. */
	made = OSSL_LIB_CTX_new();
	if (!made || atomic_compare_exchange_strong(&module->inner, &known, made))
		return made;
	OSSL_LIB_CTX_free(made);
	return known;
}

int module_socket(const struct module *module, const char *named, char path[URI_SOCKET_MAX + 1])
{
	const char *environment = secure_getenv("HOLDFAST_SOCKET");

	if (named[0] == '\0' && environment) {
		if (!uri_socket_is_valid(slice_str(environment)))
			return module_fail(module, ERR_INVALID,
					   "HOLDFAST_SOCKET is no absolute path of at most %u "
					   "printable bytes: %s",
					   URI_SOCKET_MAX, environment);
		named = environment;
	}
	if (named[0] == '\0')
		named = module->socket[0] != '\0' ? module->socket : HF_SOCKET_DEFAULT;
	memmove(path, named, strlen(named) + 1);
	return 1;
}

/* --- services that do not answer --- */

/*
 * A word has the time in milliseconds until which a socket is not asked, and of the socket as much
 * as tells it from others.
 */
#define MARK_BITS 20u
#define MARK_MASK ((1u << MARK_BITS) - 1u)

static uint64_t mark_of(const char *socket)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *socket != '\0'; socket++)
		hash = (hash ^ (uint8_t)*socket) * 1099511628211u;
	return (hash >> 32) & MARK_MASK;
}

static uint64_t now_ms(void)
{
	return clock_monotonic_us() / 1000u;
}

static bool is_paused(const struct module *module, const char *socket)
{
	uint64_t mark = mark_of(socket), word = atomic_load(&module->paused[mark % MODULE_PAUSES]);

	return (word & MARK_MASK) == mark && word >> MARK_BITS > now_ms();
}

static void pause_for_a_while(struct module *module, const char *socket)
{
	uint64_t mark = mark_of(socket);

	atomic_store(&module->paused[mark % MODULE_PAUSES],
		     (now_ms() + MODULE_PAUSE_MS) << MARK_BITS | mark);
}

static bool is_recent(uint64_t ms)
{
	return now_ms() - ms <= MODULE_IDLE_MS;
}

struct hf *module_connect(struct module *module, const char *socket)
{
	struct hf *hf = atomic_exchange(&module->idle, NULL);
	int r;

	/* After a fork, the library connects anew by itself. */
	if (hf && strcmp(hf_socket(hf), socket) == 0 && is_recent(atomic_load(&module->used_ms)))
		return hf;
	hf_close(hf);
	if (is_paused(module, socket)) {
		(void)module_fail(module, ERR_TIMEOUT,
				  "the service did not answer a moment ago and is not asked again "
				  "for %u seconds; %s",
				  MODULE_PAUSE_MS / 1000u, REMEDY_TIMEOUT);
		return NULL;
	}
	r = hf_open(socket, &hf);
	if (r < 0) {
		(void)module_fail(module, r, "the path of the socket is not usable: %s", socket);
		return NULL;
	}
	hf_set_timeout_ms(hf, module->timeout_ms);
	return hf;
}

void module_disconnect(struct module *module, struct hf *hf)
{
	if (hf_error_code(hf) == HF_TIMEOUT)
		pause_for_a_while(module, hf_socket(hf));
	hf_close(hf);
}

void module_keep(struct module *module, struct hf *hf)
{
	bool busy = is_recent(atomic_exchange(&module->used_ms, now_ms()));
	struct hf *none = NULL;

	if (!busy || hf_error_code(hf) == HF_TIMEOUT ||
	    !atomic_compare_exchange_strong(&module->idle, &none, hf))
		module_disconnect(module, hf);
}

/* --- the module itself --- */

static const OSSL_ALGORITHM *query(void *data, int operation, int *ret_no_store)
{
	static const struct {
		int operation;
		const OSSL_ALGORITHM *algorithms;
	} table[] = {
		{OSSL_OP_KEYMGMT, keymgmt_algorithms},	{OSSL_OP_SIGNATURE, signature_algorithms},
		{OSSL_OP_KEYEXCH, exchange_algorithms}, {OSSL_OP_ASYM_CIPHER, cipher_algorithms},
		{OSSL_OP_DECODER, decoder_algorithms},	{OSSL_OP_STORE, store_algorithms},
	};
	size_t i;

	(void)data;
	*ret_no_store = 0;
	for (i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].operation == operation)
			return table[i].algorithms;
	return NULL;
}

static const OSSL_PARAM *gettable(void *data)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
		OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
		OSSL_PARAM_END,
	};

	(void)data;
	return params;
}

static int get_params(void *data, OSSL_PARAM params[])
{
	OSSL_PARAM *name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
	OSSL_PARAM *version = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
	OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

	(void)data;
	return (!name || OSSL_PARAM_set_utf8_ptr(name, "Holdfast, keys of its service")) &&
	       (!version || OSSL_PARAM_set_utf8_ptr(version, HOLDFAST_VERSION)) &&
	       (!status || OSSL_PARAM_set_int(status, 1));
}

static void teardown(void *data)
{
	struct module *module = data;

	hf_close(atomic_load(&module->idle));
	OSSL_LIB_CTX_free(atomic_load(&module->inner));
	free(module);
}

/* Reads a word of the section that is "yes" or "no". */
static bool set_flag(const char *text, bool *ret_flag)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return false;
	*ret_flag = text[0] == 'y';
	return true;
}

static bool set_timeout(const char *text, unsigned *ret_ms)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*end != '\0' || seconds == 0 || seconds > TIMEOUT_MAX)
		return false;
	*ret_ms = (unsigned)seconds * 1000u;
	return true;
}

/* "socket", "timeout" (seconds) and "file_sockets" of the module's section in openssl.cnf. */
static int configure(struct module *module)
{
	char *socket = NULL, *timeout = NULL, *file_sockets = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr("socket", &socket, 0),
		OSSL_PARAM_utf8_ptr("timeout", &timeout, 0),
		OSSL_PARAM_utf8_ptr("file_sockets", &file_sockets, 0),
		OSSL_PARAM_END,
	};

	module->timeout_ms = MODULE_TIMEOUT_MS;
	module->file_sockets = true;
	if (!module->get_params(module->handle, params))
		return 1;
	if (socket && !uri_socket_is_valid(slice_str(socket)))
		return module_fail(module, ERR_INVALID,
				   "socket in openssl.cnf is no absolute path of at most %u "
				   "printable bytes",
				   URI_SOCKET_MAX);
	if (socket)
		memcpy(module->socket, socket, strlen(socket) + 1);
	if (timeout && !set_timeout(timeout, &module->timeout_ms))
		return module_fail(module, ERR_INVALID,
				   "timeout in openssl.cnf is 1 to %lu seconds", TIMEOUT_MAX);
	if (file_sockets && !set_flag(file_sockets, &module->file_sockets))
		return module_fail(module, ERR_INVALID, "file_sockets in openssl.cnf is yes or no");
	return 1;
}

/*
 * A program may have an OpenSSL within itself and still read openssl.cnf, and what such a one gives
 * us is of no use for our libcrypto. The text is a constant in the one, the function in the other.
 */
static int check_same(const struct module *module)
{
	Dl_info ours, theirs;

	if (dladdr(OpenSSL_version(OPENSSL_VERSION_STRING), &ours) != 0 &&
	    dladdr((void *)(uintptr_t)module->get_params, &theirs) != 0 &&
	    ours.dli_fbase == theirs.dli_fbase)
		return 1;
	return module_fail(module, ERR_NOT_SUPPORTED,
			   "the program has another OpenSSL than the system's, for which this "
			   "module was made");
}

/*
 * Of several providers that have "EC", OpenSSL takes the one that came first for whoever names
 * none, and a program that wants a key generated must not come here.
 */
static int check_order(const struct module *module)
{
	OSSL_LIB_CTX *theirs = (OSSL_LIB_CTX *)module->get_libctx(module->handle);

	if (OSSL_PROVIDER_available(theirs, "default") || OSSL_PROVIDER_available(theirs, "fips"))
		return 1;
	return module_fail(module, ERR_CONFLICT,
			   "activate the provider \"default\" before \"holdfast\", or ordinary "
			   "keys would not work");
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_PROVIDER_TEARDOWN, MODULE_FN(teardown)},
	{OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, MODULE_FN(gettable)},
	{OSSL_FUNC_PROVIDER_GET_PARAMS, MODULE_FN(get_params)},
	{OSSL_FUNC_PROVIDER_QUERY_OPERATION, MODULE_FN(query)},
	{OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, MODULE_FN(reasons)},
	{0, NULL},
};

static void note(struct module *module, const OSSL_DISPATCH *in)
{
	switch (in->function_id) {
	case OSSL_FUNC_CORE_GET_PARAMS:
		module->get_params = OSSL_FUNC_core_get_params(in);
		break;
	case OSSL_FUNC_CORE_GET_LIBCTX:
		module->get_libctx = OSSL_FUNC_core_get_libctx(in);
		break;
	case OSSL_FUNC_CORE_NEW_ERROR:
		module->new_error = OSSL_FUNC_core_new_error(in);
		break;
	case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
		module->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
		break;
	case OSSL_FUNC_CORE_VSET_ERROR:
		module->vset_error = OSSL_FUNC_core_vset_error(in);
		break;
	case OSSL_FUNC_BIO_GETS:
		module->bio_gets = OSSL_FUNC_BIO_gets(in);
		break;
	case OSSL_FUNC_BIO_READ_EX:
		module->bio_read = OSSL_FUNC_BIO_read_ex(in);
		break;
	default:
		break;
	}
}

/* The one name of the module that others see. */
__attribute__((visibility("default"))) OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **ret_out, void **ret_data)
{
	CLEANUP(mem_free_cleanup) struct module *module = calloc(1, sizeof(*module));

	if (!module)
		return 0;
	module->handle = handle;
	for (; in->function_id != 0; in++)
		note(module, in);
	if (!module->get_params || !module->get_libctx || !module->new_error ||
	    !module->set_error_debug || !module->vset_error || !module->bio_gets ||
	    !module->bio_read || !check_same(module) || !check_order(module) || !configure(module))
		return 0;
	*ret_out = functions;
	*ret_data = TAKE(module);
	return 1;
}
