/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program on libcurl that knows nothing of the service: it is given a file for its key.
 *
 *   tls_fetch SOCKET CA CERT KEY [COUNT]
 */
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

static size_t drop(void *data, size_t size, size_t count, void *arg)
{
	(void)data;
	(void)arg;
	return size * count;
}

static int fetch(char **argv)
{
	char why[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	CURLcode r;

	if (!curl)
		return 1;
	curl_easy_setopt(curl, CURLOPT_URL, "https://localhost/");
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, argv[1]);
	curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
	curl_easy_setopt(curl, CURLOPT_SSLCERT, argv[3]);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, argv[4]);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	r = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	if (r != CURLE_OK)
		(void)fprintf(stderr, "%s: %s\n", curl_easy_strerror(r), why);
	return r != CURLE_OK;
}

int main(int argc, char **argv)
{
	long count = argc > 5 ? strtol(argv[5], NULL, 10) : 1, i;
	int failed = 0;

	if (argc < 5 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 2;
	for (i = 0; i < count; i++)
		failed += fetch(argv);
	curl_global_cleanup();
	return failed != 0;
}
