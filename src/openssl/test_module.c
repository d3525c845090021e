/* SPDX-License-Identifier: Apache-2.0 */
/* The module in a library context of its own, and a service of few words that has a key. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/tls.h"
#include "holdfast/error.h"
#include "openssl/module.h"

#define ASKED_MAX	4096u
#define CONNECTIONS_MAX 512u

extern OSSL_provider_init_fn OSSL_provider_init;

struct world {
	char folder[32], path[48], uri[96];
	int listener;
	EVP_PKEY *soft;
	atomic_bool short_signature;
	pthread_t acceptor, servers[CONNECTIONS_MAX];
	size_t count; /* of servers; the acceptor's until it has ended */
	atomic_int signs, tls, raw, gets;
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *first, *ours;
};
static struct world world;

/* --- the service --- */

/* The bytes behind a member of the body. */
static size_t member(const char *body, const char *name, uint8_t out[ASKED_MAX])
{
	const char *at = strstr(body, name);
	size_t len = 0;

	if (at)
		at = strchr(at + strlen(name) + 1, '"');
	if (at && base64_decode(slice_of(at + 1, strcspn(at + 1, "\"")), out, &len))
		return len;
	return 0;
}

static void put_signature(struct buf *answer, const char *body)
{
	uint8_t bytes[ASKED_MAX], digest[32], signature[256];
	size_t len = member(body, "\"content\"", bytes), size = sizeof(signature);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(world.soft, NULL);

	if (len > 0)
		(void)EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL);
	else if (member(body, "\"digest\"", bytes) == sizeof(digest))
		memcpy(digest, bytes, sizeof(digest));
	if (EVP_PKEY_sign_init(ctx) != 1 ||
	    EVP_PKEY_sign(ctx, signature, &size, digest, sizeof(digest)) != 1)
		abort();
	EVP_PKEY_CTX_free(ctx);
	if (atomic_load(&world.short_signature))
		size = 1;
	buf_put_str(answer, "{\"signature\":\"");
	base64_encode(answer, slice_of(signature, size));
	buf_put_str(answer, "\",\"protection\":\"tpm\"}");
}

static void put_public(struct buf *answer, bool device)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;

	if (!PEM_write_bio_PUBKEY(bio, world.soft) || BIO_write(bio, "", 1) != 1)
		abort();
	(void)BIO_get_mem_data(bio, &pem);
	buf_put_str(answer, device ? "{\"certificate\":null,\"key\":{\"public\":" : "{\"public\":");
	json_put_string(answer, pem);
	buf_put_str(answer, device ? "}}" : "}");
	BIO_free(bio);
}

static const char *respond(const char *request, struct buf *answer)
{
	const char *body = strstr(request, "\r\n\r\n");

	if (strncmp(request, "GET /v1/keys/ec ", 16) == 0 ||
	    strncmp(request, "GET /v1/device ", 15) == 0) {
		(void)atomic_fetch_add(&world.gets, 1);
		put_public(answer, request[8] == 'd');
	} else if (strncmp(request, "POST ", 5) == 0) {
		(void)atomic_fetch_add(strstr(request, "/tls ")	  ? &world.tls
				       : strstr(request, "/raw ") ? &world.raw
								  : &world.signs,
				       1);
		put_signature(answer, body);
	} else {
		buf_put_str(answer, "{\"code\":\"not_found\",\"status\":404,\"title\":\"t\","
				    "\"detail\":\"there is none\",\"remedy\":\"look elsewhere\"}");
		return "404 Not Found\r\nContent-Type: application/problem+json";
	}
	return "200 OK\r\nContent-Type: application/json";
}

/* False when the connection has ended. */
static bool read_request(int fd, char text[ASKED_MAX])
{
	size_t len = 0, want = 0;
	const char *end, *length;
	ssize_t n;

	while (want == 0 || len < want) {
		n = read(fd, text + len, ASKED_MAX - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strstr(text, "Content-Length: ");
		if (end)
			want = (size_t)(end - text) + 4 +
			       (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	return true;
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char text[ASKED_MAX];

	while (read_request(fd, text)) {
		CLEANUP(buf_fini) struct buf answer = BUF_INIT(ASKED_MAX);
		const char *head = respond(text, &answer);

		(void)dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%.*s", head,
			      answer.len, (int)answer.len, (const char *)answer.data);
	}
	close(fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(world.listener, NULL, NULL)) >= 0) {
		if (world.count == CONNECTIONS_MAX ||
		    pthread_create(&world.servers[world.count++], NULL, serve,
				   (void *)(intptr_t)fd) != 0)
			abort();
	}
	return NULL;
}

static int begin(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	(void)snprintf(world.folder, sizeof(world.folder), "/tmp/hf-ossl-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	(void)snprintf(world.path, sizeof(world.path), "%s/s", world.folder);
	memcpy(address.sun_path, world.path, strlen(world.path) + 1);
	world.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(world.listener, 16), 0);
	world.soft = EVP_EC_gen("P-256");
	assert_non_null(world.soft);
	assert_int_equal(pthread_create(&world.acceptor, NULL, accept_all, NULL), 0);
	world.ctx = OSSL_LIB_CTX_new();
	assert_int_equal(OSSL_PROVIDER_add_builtin(world.ctx, "holdfast", OSSL_provider_init), 1);
	/* Not before the default one. */
	assert_null(OSSL_PROVIDER_load(world.ctx, "holdfast"));
	ERR_clear_error();
	world.first = OSSL_PROVIDER_load(world.ctx, "default");
	world.ours = OSSL_PROVIDER_load(world.ctx, "holdfast");
	assert_non_null(world.ours);
	return 0;
}

static int end(void **state)
{
	(void)state;
	alarm(120);
	(void)OSSL_PROVIDER_unload(world.ours);
	(void)OSSL_PROVIDER_unload(world.first);
	OSSL_LIB_CTX_free(world.ctx);
	(void)shutdown(world.listener, SHUT_RDWR);
	(void)pthread_join(world.acceptor, NULL);
	while (world.count > 0)
		(void)pthread_join(world.servers[--world.count], NULL);
	close(world.listener);
	EVP_PKEY_free(world.soft);
	(void)unlink(world.path);
	(void)rmdir(world.folder);
	return 0;
}

/* --- the module --- */

/* The first of what is there of @type (OSSL_STORE_INFO_*, 0 = any); NULL = nothing. */
static OSSL_STORE_INFO *first_of(const char *uri, int type)
{
	OSSL_STORE_CTX *store =
		OSSL_STORE_open_ex(uri, world.ctx, NULL, NULL, NULL, NULL, NULL, NULL);
	OSSL_STORE_INFO *info = NULL;

	if (!store)
		return NULL;
	assert_int_equal(OSSL_STORE_expect(store, type), 1);
	while (!info && !OSSL_STORE_eof(store))
		info = OSSL_STORE_load(store);
	OSSL_STORE_close(store);
	return info;
}

static EVP_PKEY *load(const char *name)
{
	OSSL_STORE_INFO *info;
	EVP_PKEY *key;

	(void)snprintf(world.uri, sizeof(world.uri), "holdfast:%s?socket=%s", name, world.path);
	info = first_of(world.uri, 0);
	key = info ? OSSL_STORE_INFO_get1_PKEY(info) : NULL;
	OSSL_STORE_INFO_free(info);
	return key;
}

/* Signs with @key, verifies with both halves that are there. */
static bool good(EVP_PKEY *key, struct slice message)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new(), *own = EVP_MD_CTX_new();
	uint8_t signature[256];
	size_t len = 0, room = sizeof(signature);
	bool ok;

	ok = EVP_DigestSignInit_ex(ctx, NULL, "SHA256", world.ctx, NULL, key, NULL) == 1 &&
	     EVP_DigestSign(ctx, NULL, &len, message.data, message.len) == 1 && len <= room &&
	     EVP_DigestSign(ctx, signature, &room, message.data, message.len) == 1 &&
	     EVP_DigestVerifyInit_ex(check, NULL, "SHA256", NULL, NULL, world.soft, NULL) == 1 &&
	     EVP_DigestVerify(check, signature, room, message.data, message.len) == 1 &&
	     EVP_DigestVerifyInit_ex(own, NULL, "SHA256", world.ctx, NULL, key, NULL) == 1 &&
	     EVP_DigestVerify(own, signature, room, message.data, message.len) == 1;
	/* In s, of the integers r and s. */
	signature[room - 1] ^= 1;
	ok = ok && EVP_DigestVerifyInit_ex(own, NULL, "SHA256", world.ctx, NULL, key, NULL) == 1 &&
	     EVP_DigestVerify(own, signature, room, message.data, message.len) != 1;
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_MD_CTX_free(check);
	EVP_MD_CTX_free(own);
	return ok;
}

static void a_key_signs_and_stays(void **state)
{
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key, *copy, *plain;
	int gets = atomic_load(&world.gets), signs = atomic_load(&world.signs);

	(void)state;
	key = load("key/ec");
	assert_non_null(key);
	assert_int_equal(atomic_load(&world.gets) - gets, 1);
	assert_true(good(key, slice_str("a message")));
	assert_int_equal(atomic_load(&world.signs) - signs, 1);
	/* A key keeps what it was compared as, and with that the provider. */
	plain = EVP_PKEY_dup(world.soft);
	assert_int_equal(EVP_PKEY_eq(key, plain), 1);
	assert_int_equal(EVP_PKEY_eq(plain, key), 1);
	EVP_PKEY_free(plain);
	assert_int_equal(EVP_PKEY_get_bits(key), 256);
	assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 0);
	copy = EVP_PKEY_dup(key);
	assert_non_null(copy);
	EVP_PKEY_free(key);
	assert_true(good(copy, slice_str("")));
	EVP_PKEY_free(copy);
	ERR_clear_error();
}

static void the_device_signs_what_tls_signs_by_another_way(void **state)
{
	char content[TLS_CONTENT_MAX + 1];
	int tls = atomic_load(&world.tls), raw = atomic_load(&world.raw);
	EVP_PKEY *key = load("device");
	size_t len = 64 + 33 + 1 + 32;

	(void)state;
	assert_non_null(key);
	memset(content, ' ', 64);
	memcpy(content + 64, "TLS 1.3, client CertificateVerify", 34);
	memset(content + 98, 7, sizeof(content) - 98);
	assert_true(good(key, slice_of(content, len)));
	assert_true(good(key, slice_of(content, len + 16)));
	assert_int_equal(atomic_load(&world.tls) - tls, 2);
	assert_int_equal(atomic_load(&world.raw) - raw, 0);
	assert_true(good(key, slice_of(content, len - 1)));
	assert_true(good(key, slice_of(content, sizeof(content))));
	assert_true(good(key, slice_str("firmware")));
	assert_int_equal(atomic_load(&world.tls) - tls, 2);
	assert_int_equal(atomic_load(&world.raw) - raw, 3);
	EVP_PKEY_free(key);
}

static void put_reference(BIO *bio, const char *uri)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(ASKED_MAX);

	base64_encode(&text, slice_str(uri));
	(void)BIO_printf(bio, "%s\n%.*s\n%s\n", URI_PEM_BEGIN, (int)text.len,
			 (const char *)text.data, URI_PEM_END);
}

static void files_of_several_keys_are_read_in_their_order(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *soft, *ours, *last;
	char uri[96];

	(void)state;
	(void)snprintf(uri, sizeof(uri), "holdfast:key/ec?socket=%s", world.path);
	(void)BIO_puts(bio, "a text before it\n");
	assert_int_equal(PEM_write_bio_PUBKEY(bio, world.soft), 1);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, world.soft, NULL, NULL, 0, NULL, NULL),
			 1);
	put_reference(bio, uri);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, world.soft, NULL, NULL, 0, NULL, NULL),
			 1);
	soft = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, world.ctx, NULL);
	ours = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, world.ctx, NULL);
	last = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, world.ctx, NULL);
	assert_non_null(soft);
	assert_non_null(ours);
	assert_non_null(last);
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(soft)), "default");
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(ours)), "holdfast");
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(last)), "default");
	assert_true(good(ours, slice_str("x")));
	EVP_PKEY_free(soft);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(last);
	BIO_free(bio);
	ERR_clear_error();
}

/* True for a descriptor of this process whose other end is the service. */
static bool is_connection(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(address);

	return getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
	       strcmp(address.sun_path, world.path) == 0;
}

static int connections(void)
{
	int fd, count = 0;

	for (fd = 3; fd < 1024; fd++)
		count += is_connection(fd);
	return count;
}

static void a_connection_is_kept_between_signatures_alone(void **state)
{
	EVP_PKEY *key = load("key/ec");
	int i;

	(void)state;
	assert_non_null(key);
	EVP_PKEY_free(key);
	key = load("key/ec");
	assert_non_null(key);
	/* Loading alone keeps none, and closes what was kept. */
	assert_int_equal(connections(), 0);
	for (i = 0; i < 3; i++)
		assert_true(good(key, slice_str("x")));
	assert_int_equal(connections(), 1);
	/* The program closes it, and what it has there then is its own. */
	for (i = 3; i < 1024; i++)
		if (is_connection(i))
			break;
	assert_int_equal(dup3(STDERR_FILENO, i, O_CLOEXEC), i);
	assert_true(good(key, slice_str("x")));
	assert_true(fcntl(i, F_GETFD) >= 0 && !is_connection(i));
	close(i);
	EVP_PKEY_free(key);
}

static void sign_in_vain(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(world.ctx, key, NULL);
	uint8_t signature[256], digest[32] = {1};
	size_t len = sizeof(signature);
	const char *text = NULL;
	unsigned long code;

	ERR_clear_error();
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_not_equal(EVP_PKEY_sign(ctx, signature, &len, digest, sizeof(digest)), 1);
	code = ERR_peek_error_all(NULL, NULL, NULL, &text, NULL);
	assert_int_equal(ERR_GET_REASON(code), -HF_CONFLICT);
	assert_non_null(strstr(text, "load it anew"));
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
}

static void a_signature_by_another_key_is_none(void **state)
{
	EVP_PKEY *before = world.soft;
	EVP_PKEY *ec = load("key/ec"), *device = load("device");

	(void)state;
	assert_non_null(ec);
	assert_non_null(device);
	world.soft = EVP_EC_gen("P-256");
	assert_non_null(world.soft);
	sign_in_vain(ec);
	sign_in_vain(device);
	EVP_PKEY_free(world.soft);
	world.soft = before;
	atomic_store(&world.short_signature, true);
	sign_in_vain(ec);
	atomic_store(&world.short_signature, false);
	assert_true(good(ec, slice_str("x")));
	EVP_PKEY_free(ec);
	EVP_PKEY_free(device);
}

/* A certificate behind a key in one file, as a file may come from anywhere. */
static void write_both(char path[64])
{
	X509 *certificate = X509_new();
	char uri[96];
	BIO *bio;

	(void)snprintf(path, 64, "%s/both", world.folder);
	(void)snprintf(uri, sizeof(uri), "holdfast:key/ec?socket=%s", world.path);
	bio = BIO_new_file(path, "w");
	assert_non_null(bio);
	put_reference(bio, uri);
	assert_int_equal(X509_set_pubkey(certificate, world.soft), 1);
	assert_true(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
		    X509_gmtime_adj(X509_getm_notAfter(certificate), 60));
	assert_true(X509_sign(certificate, world.soft, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	X509_free(certificate);
	BIO_free(bio);
}

static void a_file_asks_where_a_private_key_is_wanted(void **state)
{
	static const struct {
		int expected, got, asks;
	} cases[] = {
		{OSSL_STORE_INFO_CERT, OSSL_STORE_INFO_CERT, 0},
		{OSSL_STORE_INFO_CRL, 0, 0},
		{OSSL_STORE_INFO_PUBKEY, 0, 0},
		/* Whatever there is: as for certificates that are trusted. */
		{0, OSSL_STORE_INFO_CERT, 0},
		{OSSL_STORE_INFO_PKEY, OSSL_STORE_INFO_PKEY, 1},
	};
	OSSL_STORE_INFO *info;
	char path[64];
	size_t i;
	int gets;

	(void)state;
	write_both(path);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gets = atomic_load(&world.gets);
		info = first_of(path, cases[i].expected);
		assert_int_equal(info ? OSSL_STORE_INFO_get_type(info) : 0, cases[i].got);
		assert_int_equal(atomic_load(&world.gets) - gets, cases[i].asks);
		OSSL_STORE_INFO_free(info);
	}
	(void)unlink(path);
	ERR_clear_error();
}

static void the_public_half_can_be_had_alone(void **state)
{
	OSSL_STORE_INFO *info;
	EVP_PKEY *key;

	(void)state;
	(void)snprintf(world.uri, sizeof(world.uri), "holdfast:key/ec?socket=%s", world.path);
	info = first_of(world.uri, OSSL_STORE_INFO_PUBKEY);
	assert_non_null(info);
	key = OSSL_STORE_INFO_get0_PUBKEY(info);
	assert_non_null(key);
	assert_false(good(key, slice_str("x")));
	OSSL_STORE_INFO_free(info);
	ERR_clear_error();
}

/* What is on its way through OpenSSL is nothing where nobody gives it. */
static void the_bytes_between_the_steps_name_no_key(void **state)
{
	static const unsigned char token[] = "\x30\x0e\x0c\x0choldfast key";
	const unsigned char *at = token;
	int gets = atomic_load(&world.gets);

	(void)state;
	assert_null(d2i_AutoPrivateKey_ex(NULL, &at, sizeof(token) - 1, world.ctx, NULL));
	assert_int_equal(atomic_load(&world.gets), gets);
	ERR_clear_error();
}

static int foreign_params(const OSSL_CORE_HANDLE *handle, OSSL_PARAM params[])
{
	(void)handle;
	(void)params;
	return 1;
}

static OPENSSL_CORE_CTX *foreign_context(const OSSL_CORE_HANDLE *handle)
{
	(void)handle;
	/* Nobody may look into it. */
	return (OPENSSL_CORE_CTX *)(uintptr_t)16;
}

static int raised;

static void foreign_new_error(const OSSL_CORE_HANDLE *handle)
{
	(void)handle;
	raised++;
}

static void foreign_debug(const OSSL_CORE_HANDLE *handle, const char *file, int line,
			  const char *function)
{
	(void)handle;
	(void)file;
	(void)line;
	(void)function;
}

static void foreign_set(const OSSL_CORE_HANDLE *handle, uint32_t reason, const char *fmt,
			va_list args)
{
	(void)handle;
	(void)fmt;
	(void)args;
	assert_int_equal(reason, -HF_NOT_SUPPORTED);
}

static int foreign_io(OSSL_CORE_BIO *bio, char *data, int size)
{
	(void)bio;
	(void)data;
	return -size;
}

static void another_openssl_is_refused(void **state)
{
	const OSSL_DISPATCH in[] = {
		{OSSL_FUNC_CORE_GET_PARAMS, MODULE_FN(foreign_params)},
		{OSSL_FUNC_CORE_GET_LIBCTX, MODULE_FN(foreign_context)},
		{OSSL_FUNC_CORE_NEW_ERROR, MODULE_FN(foreign_new_error)},
		{OSSL_FUNC_CORE_SET_ERROR_DEBUG, MODULE_FN(foreign_debug)},
		{OSSL_FUNC_CORE_VSET_ERROR, MODULE_FN(foreign_set)},
		{OSSL_FUNC_BIO_GETS, MODULE_FN(foreign_io)},
		{OSSL_FUNC_BIO_READ_EX, MODULE_FN(foreign_io)},
		{0, NULL},
	};
	const OSSL_DISPATCH *out = NULL;
	void *data = NULL;

	(void)state;
	assert_int_equal(OSSL_provider_init(NULL, in, &out, &data), 0);
	assert_int_equal(raised, 1);
	assert_null(data);
}

static void errors_are_told(void **state)
{
	const char *data = NULL;
	unsigned long code;
	int flags;

	(void)state;
	ERR_clear_error();
	assert_null(load("key/none"));
	code = ERR_peek_error_all(NULL, NULL, NULL, &data, &flags);
	assert_int_equal(ERR_GET_REASON(code), -HF_NOT_FOUND);
	assert_string_equal(data, "there is none; look elsewhere");
	assert_string_equal(ERR_reason_error_string(code), "not_found");
	ERR_clear_error();
	assert_int_equal(setenv("HOLDFAST_SOCKET", "run/s", 1), 0);
	assert_null(first_of("holdfast://device", 0));
	/* Before it, OpenSSL says that it knows no such scheme itself. */
	(void)ERR_peek_last_error_all(NULL, NULL, NULL, &data, NULL);
	assert_non_null(strstr(data, "HOLDFAST_SOCKET is no absolute path"));
	assert_int_equal(unsetenv("HOLDFAST_SOCKET"), 0);
	ERR_clear_error();
	assert_null(load("nothing"));
	assert_int_not_equal(ERR_peek_error(), 0);
	ERR_clear_error();
}

#define THREADS 8
#define ROUNDS	25

static void *sign_often(void *arg)
{
	EVP_PKEY *key = arg;
	int i;

	for (i = 0; i < ROUNDS; i++)
		if (!good(key, slice_of(&i, sizeof(i))))
			return NULL;
	return key;
}

static void threads_share_a_key(void **state)
{
	int signs = atomic_load(&world.signs), i;
	EVP_PKEY *key = load("key/ec");
	pthread_t threads[THREADS];
	void *result;

	(void)state;
	assert_non_null(key);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often, key), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, key);
	}
	assert_int_equal(atomic_load(&world.signs) - signs, THREADS * ROUNDS);
	assert_true(connections() <= 1);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_signs_and_stays),
		cmocka_unit_test(the_device_signs_what_tls_signs_by_another_way),
		cmocka_unit_test(files_of_several_keys_are_read_in_their_order),
		cmocka_unit_test(a_connection_is_kept_between_signatures_alone),
		cmocka_unit_test(a_signature_by_another_key_is_none),
		cmocka_unit_test(a_file_asks_where_a_private_key_is_wanted),
		cmocka_unit_test(the_public_half_can_be_had_alone),
		cmocka_unit_test(the_bytes_between_the_steps_name_no_key),
		cmocka_unit_test(another_openssl_is_refused),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(threads_share_a_key),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
