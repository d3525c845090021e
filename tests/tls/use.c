/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with keys of the service, as its users write one: holdfast/openssl.h, threads, forks.
 *
 *   tls_use load SOCKET CA THREADS SECONDS          handshakes without a key of its own
 *   tls_use client SOCKET CA URI CERT THREADS COUNT requests with one, so many by each thread
 *   tls_use fork SOCKET CA URI CERT                 requests before a fork and on both its sides
 *   tls_use lines SOCKET CA URI CERT                a request for each line of the input
 *   tls_use sign URI THREADS COUNT                  signatures, each verified
 *   tls_use use CERT URI..                          one context for each in turn, and what it has
 *
 * SOCKET is a Unix socket where TLS is spoken; CERT is "-" where the key brings its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "holdfast/openssl.h"

#define THREADS_MAX 64
#define REQUEST	    "GET / HTTP/1.0\r\nHost: h\r\n\r\n"

struct job {
	SSL_CTX *ctx;  /* of TLS, or .. */
	EVP_PKEY *key; /* .. what signs */
	const char *socket;
	bool asks;	 /* sends a request, too */
	long count;	 /* of each thread; 0 = until */
	time_t deadline; /* on the monotonic clock, when count is 0 */
	atomic_long done, failed;
};

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return fd;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A server of TLS 1.3 judges our certificate after our handshake, so its answer counts. */
static bool ask(SSL *ssl)
{
	char answer[256];
	int len;

	if (SSL_write(ssl, REQUEST, sizeof(REQUEST) - 1) <= 0)
		return false;
	len = SSL_read(ssl, answer, sizeof(answer) - 1);
	if (len <= 0)
		return false;
	answer[len] = '\0';
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static bool meet(const struct job *job)
{
	SSL *ssl = SSL_new(job->ctx);
	int fd = dial(job->socket);
	bool good = false;

	if (ssl && fd >= 0 && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1)
		good = !job->asks || ask(ssl);
	if (good)
		(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	if (fd >= 0)
		close(fd);
	return good;
}

static bool sign(const struct job *job)
{
	uint8_t signature[1024], message[32];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
	bool good;

	memset(message, (int)(atomic_load(&job->done) & 0xff), sizeof(message));
	good = ctx && check &&
	       EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, job->key, NULL) == 1 &&
	       EVP_DigestSign(ctx, signature, &len, message, sizeof(message)) == 1 &&
	       EVP_DigestVerifyInit_ex(check, NULL, "SHA256", NULL, NULL, job->key, NULL) == 1 &&
	       EVP_DigestVerify(check, signature, len, message, sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_MD_CTX_free(check);
	return good;
}

static time_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void *work(void *arg)
{
	struct job *job = arg;
	long i;

	for (i = 0; job->count > 0 ? i < job->count : now() < job->deadline; i++) {
		if (job->ctx ? meet(job) : sign(job)) {
			(void)atomic_fetch_add(&job->done, 1);
			continue;
		}
		if (atomic_fetch_add(&job->failed, 1) == 0)
			ERR_print_errors_fp(stderr);
	}
	return NULL;
}

static int run(struct job *job, long threads)
{
	pthread_t ids[THREADS_MAX];
	long i;

	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, job) != 0)
			abort();
	for (i = 0; i < threads; i++)
		(void)pthread_join(ids[i], NULL);
	printf("%ld done, %ld failed\n", atomic_load(&job->done), atomic_load(&job->failed));
	return atomic_load(&job->failed) == 0 && atomic_load(&job->done) > 0 ? 0 : 1;
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end != '\0' || value < 1) {
		(void)fprintf(stderr, "no number: %s\n", text);
		exit(2);
	}
	return value;
}

static long threads_of(const char *text)
{
	long threads = number(text);

	return threads < THREADS_MAX ? threads : THREADS_MAX;
}

static int complain(void)
{
	ERR_print_errors_fp(stderr);
	return 1;
}

/* Each handshake is a whole one. */
static SSL_CTX *context(const char *ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || SSL_CTX_load_verify_file(ctx, ca) != 1)
		exit(complain());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static SSL_CTX *context_with(const char *ca, const char *uri, const char *certificate)
{
	SSL_CTX *ctx = context(ca);

	if (strcmp(certificate, "-") != 0 &&
	    SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		exit(complain());
	if (hf_ssl_use(ctx, uri) < 0)
		exit(complain());
	return ctx;
}

/* The parent and two children at once, each with what it had before. */
static int run_fork(struct job *job)
{
	int status, failed = !meet(job), i;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			job->count = 5;
			work(job);
			_exit(atomic_load(&job->failed) > 0);
		}
	}
	job->count = 5;
	work(job);
	failed += atomic_load(&job->failed) > 0;
	while (wait(&status) > 0)
		failed += status != 0;
	printf("%d failed\n", failed);
	return failed != 0;
}

static int run_lines(const struct job *job)
{
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		if (meet(job))
			puts("good");
		else
			puts("bad");
		ERR_print_errors_fp(stdout);
		(void)fflush(stdout);
	}
	return 0;
}

/* A line for each: the result, the length of the chain, the subject; then the errors. */
static int run_use(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int i;

	if (!ctx ||
	    (strcmp(argv[2], "-") != 0 && SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1))
		return complain();
	for (i = 3; i < argc; i++) {
		STACK_OF(X509) *chain = NULL;
		char subject[128] = "none";
		const X509 *certificate;
		int r;

		ERR_clear_error();
		r = hf_ssl_use(ctx, argv[i]);
		certificate = SSL_CTX_get0_certificate(ctx);
		(void)SSL_CTX_get0_chain_certs(ctx, &chain);
		if (certificate)
			(void)X509_NAME_oneline(X509_get_subject_name(certificate), subject,
						sizeof(subject));
		printf("%d errors=%d key=%d chain=%d %s\n", r, ERR_peek_error() != 0,
		       SSL_CTX_get0_privatekey(ctx) != NULL, chain ? sk_X509_num(chain) : 0,
		       subject);
		ERR_print_errors_fp(stdout);
	}
	SSL_CTX_free(ctx);
	return 0;
}

static EVP_PKEY *load_key(const char *uri)
{
	OSSL_STORE_CTX *store =
		hf_ssl_load() == 0 ? OSSL_STORE_open(uri, NULL, NULL, NULL, NULL) : NULL;
	OSSL_STORE_INFO *info = store ? OSSL_STORE_load(store) : NULL;
	EVP_PKEY *key = info ? OSSL_STORE_INFO_get1_PKEY(info) : NULL;

	OSSL_STORE_INFO_free(info);
	OSSL_STORE_close(store);
	if (!key)
		exit(complain());
	return key;
}

static int run_tls(int argc, char **argv, struct job *job)
{
	job->socket = argv[2];
	if (strcmp(argv[1], "load") == 0 && argc == 6) {
		job->ctx = context(argv[3]);
		job->deadline = now() + number(argv[5]);
		return run(job, threads_of(argv[4]));
	}
	job->asks = true;
	if (argc >= 6)
		job->ctx = context_with(argv[3], argv[4], argv[5]);
	if (strcmp(argv[1], "client") == 0 && argc == 8) {
		job->count = number(argv[7]);
		return run(job, threads_of(argv[6]));
	}
	if (strcmp(argv[1], "fork") == 0 && argc == 6)
		return run_fork(job);
	if (strcmp(argv[1], "lines") == 0 && argc == 6)
		return run_lines(job);
	return 2;
}

int main(int argc, char **argv)
{
	struct job job = {.ctx = NULL};
	int r;

	/* A server that closes is an error like others. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && strcmp(argv[1], "use") == 0) {
		r = run_use(argc, argv);
	} else if (argc == 5 && strcmp(argv[1], "sign") == 0) {
		job.key = load_key(argv[2]);
		job.count = number(argv[4]);
		r = run(&job, threads_of(argv[3]));
	} else {
		r = argc >= 6 ? run_tls(argc, argv, &job) : 2;
	}
	SSL_CTX_free(job.ctx);
	EVP_PKEY_free(job.key);
	return r;
}
