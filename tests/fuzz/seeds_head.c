/* SPDX-License-Identifier: Apache-2.0 */

/* Heads of answers, values of their fields, URLs, addresses. */

#include "tests/fuzz/seeds.h"

void seeds_head(void)
{
	static const char *const heads[] = {
		"HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"ETag: W/\"a\"\r\nContent-Type: text/plain\r\n\r\nX: y\r\n",
		"HTTP/1.1 503 No\r\nRetry-After: Tue, 14 Nov 2023 22:15:20 GMT\r\n"
		"Last-Modified: Tuesday, 14-Nov-23 22:15:20 GMT\r\nContent-Range: bytes "
		"*/9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\nRetry-After: "
		"9\r\n\r\n",
		"Tue Nov 14 22:15:20 2023",
		"120",
		"bytes 18446744073709551615-18446744073709551615/0",
		"https://host.example:8443/a/../b?c=%20#d",
		"http://127.0.0.1:8080/x",
		"http://[::1]:80/",
		"http://user:word@[::ffff:10.0.0.1]/",
		"\x02\x00\x00\x50\x7f\x00\x00\x01\x00\x00\x00\x00",
	};
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		put_seed(slice_str(heads[i]));
}
