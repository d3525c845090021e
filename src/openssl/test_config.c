/* SPDX-License-Identifier: Apache-2.0 */
/* What openssl.cnf says to the module; and a service that never answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include "base/base64.h"
#include "base/loop.h"
#include "base/mem.h"
#include "holdfast/error.h"
#include "openssl/module.h"

extern OSSL_provider_init_fn OSSL_provider_init;

struct world {
	char folder[40], path[56], other[56], config[56];
	int mute; /* listens at @path and says nothing */
};
static struct world world;

static int begin(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	(void)snprintf(world.folder, sizeof(world.folder), "/tmp/hf-ossl-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	(void)snprintf(world.path, sizeof(world.path), "%s/mute", world.folder);
	(void)snprintf(world.other, sizeof(world.other), "%s/other", world.folder);
	(void)snprintf(world.config, sizeof(world.config), "%s/cnf", world.folder);
	memcpy(address.sun_path, world.path, strlen(world.path) + 1);
	world.mute = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world.mute, (struct sockaddr *)&address, sizeof(address)), 0);
	return listen(world.mute, 16);
}

static int end(void **state)
{
	(void)state;
	close(world.mute);
	(void)unlink(world.path);
	(void)unlink(world.config);
	return rmdir(world.folder);
}

/* A library context of which @lines are the module's section. */
static OSSL_LIB_CTX *context_with(const char *lines)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
	FILE *file = fopen(world.config, "we");

	assert_non_null(ctx);
	assert_non_null(file);
	(void)fprintf(file,
		      "openssl_conf = top\n[top]\nproviders = all\n[all]\ndefault = first\n"
		      "holdfast = ours\n[first]\nactivate = 1\n[ours]\nactivate = 1\n%s\n",
		      lines);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(OSSL_PROVIDER_add_builtin(ctx, "holdfast", OSSL_provider_init), 1);
	(void)OSSL_LIB_CTX_load_config(ctx, world.config);
	return ctx;
}

static void what_a_section_may_say(void **state)
{
	static const struct {
		const char *lines;
		bool good;
	} cases[] = {
		{"", true},
		{"socket = /run/s\ntimeout = 3600\nfile_sockets = no", true},
		{"file_sockets = yes", true},
		{"file_sockets = maybe", false},
		{"file_sockets = ", false},
		{"socket = run/s", false},
		{"socket = \"/run/a b\"", false},
		{"timeout = 0", false},
	};
	OSSL_LIB_CTX *ctx;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		ctx = context_with(cases[i].lines);
		assert_int_equal(OSSL_PROVIDER_available(ctx, "holdfast"), cases[i].good);
		OSSL_LIB_CTX_free(ctx);
		ERR_clear_error();
	}
}

/* Loads the key of a file that names @socket; there is none. The reason, as hf_*. */
static int load_in_vain(OSSL_LIB_CTX *ctx, const char *socket, const char **ret_text)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(1024);
	char uri[128];
	BIO *bio;
	int flags;

	(void)snprintf(uri, sizeof(uri), "holdfast:key/a%s%s", socket ? "?socket=" : "",
		       socket ? socket : "");
	buf_put_str(&pem, URI_PEM_BEGIN "\n");
	base64_encode(&pem, slice_str(uri));
	buf_put_str(&pem, "\n" URI_PEM_END "\n");
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	ERR_clear_error();
	assert_null(PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, ctx, NULL));
	BIO_free(bio);
	return -ERR_GET_REASON(ERR_peek_error_all(NULL, NULL, NULL, ret_text, &flags));
}

static void a_file_names_no_socket_where_it_must_not(void **state)
{
	char line[128];
	OSSL_LIB_CTX *ctx;
	const char *text;

	(void)state;
	(void)snprintf(line, sizeof(line), "socket = %s\nfile_sockets = no", world.other);
	ctx = context_with(line);
	assert_int_equal(load_in_vain(ctx, world.path, &text), HF_FORBIDDEN);
	assert_non_null(strstr(text, "file_sockets"));
	/* The usual one may be named, or none; nobody listens there. */
	assert_int_equal(load_in_vain(ctx, world.other, &text), HF_INTERNAL);
	assert_non_null(strstr(text, "no service answers at "));
	assert_int_equal(load_in_vain(ctx, NULL, &text), HF_INTERNAL);
	OSSL_LIB_CTX_free(ctx);
	ERR_clear_error();
}

static void who_does_not_answer_is_left_alone_for_a_while(void **state)
{
	OSSL_LIB_CTX *ctx = context_with("timeout = 1");
	uint64_t before = clock_monotonic_us();
	const char *text;

	(void)state;
	assert_int_equal(load_in_vain(ctx, world.path, &text), HF_TIMEOUT);
	assert_true(clock_monotonic_us() - before >= 1000000u);
	assert_non_null(strstr(text, "holdfast status"));
	assert_int_equal(load_in_vain(ctx, world.path, &text), HF_TIMEOUT);
	assert_non_null(strstr(text, "a moment ago"));
	/* Others are asked. */
	assert_int_equal(load_in_vain(ctx, world.other, &text), HF_INTERNAL);
	OSSL_LIB_CTX_free(ctx);
	ERR_clear_error();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_section_may_say),
		cmocka_unit_test(a_file_names_no_socket_where_it_must_not),
		cmocka_unit_test(who_does_not_answer_is_left_alone_for_a_while),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
