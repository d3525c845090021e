/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text. No name is looked up but "localhost", which is 127.0.0.1 everywhere. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "listen/listen.h"

#define UNIX "unix:"

static int parse_unix(const char *path, struct listen_address *ret_address, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(addr.sun_path))
		return err_set(err, ERR_INVALID,
			       "a socket's path must begin with a slash and have at most %zu bytes",
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, len);
	*ret_address = (struct listen_address){.length = sizeof(addr)};
	memcpy(&ret_address->address, &addr, sizeof(addr));
	return 0;
}

/* All of @text, 1 to 5 digits. */
static bool parse_port(const char *text, in_port_t *ret_port)
{
	unsigned port = 0;
	size_t len = strspn(text, "0123456789"), i;

	if (len == 0 || len > 5 || text[len] != '\0')
		return false;
	for (i = 0; i < len; i++)
		port = port * 10 + (unsigned)(text[i] - '0');
	if (port > UINT16_MAX)
		return false;
	*ret_port = htons((uint16_t)port);
	return true;
}

static bool parse_host(const char *host, bool brackets, struct listen_address *ret_address)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};

	*ret_address = (struct listen_address){.length = brackets ? sizeof(six) : sizeof(four)};
	if (strcmp(host, "localhost") == 0 && !brackets)
		host = "127.0.0.1";
	if (brackets ? inet_pton(AF_INET6, host, &six.sin6_addr) != 1
		     : inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return false;
	memcpy(&ret_address->address, brackets ? (const void *)&six : (const void *)&four,
	       ret_address->length);
	return true;
}

/* Both families have it at the same place. */
static in_port_t *port_of(struct listen_address *address)
{
	return &((struct sockaddr_in *)&address->address)->sin_port;
}

int listen_parse(const char *text, struct listen_address *ret_address, struct err *err)
{
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';
	struct listen_address address;
	char host[INET6_ADDRSTRLEN];
	in_port_t port;
	size_t len;

	if (strncmp(text, UNIX, strlen(UNIX)) == 0)
		return parse_unix(text + strlen(UNIX), ret_address, err);
	len = colon ? (size_t)(colon - text) : 0;
	if (brackets && (len < 2 || text[len - 1] != ']'))
		len = 0;
	if (brackets && len > 0) {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host) || !parse_port(colon + 1, &port))
		return err_set(err, ERR_INVALID,
			       "an address must be HOST:PORT, [IPV6]:PORT or unix:/PATH");
	memcpy(host, text, len);
	host[len] = '\0';
	if (!parse_host(host, brackets, &address))
		return err_set(err, ERR_INVALID, "HOST must be an address or localhost");
	*port_of(&address) = port;
	*ret_address = address;
	return 0;
}

void listen_print(const struct listen_address *address, char ret_text[LISTEN_TEXT_MAX])
{
	const struct sockaddr_in *four = (const void *)&address->address;
	const struct sockaddr_in6 *six = (const void *)&address->address;
	const struct sockaddr_un *local = (const void *)&address->address;
	char host[INET6_ADDRSTRLEN] = "";

	switch (address->address.ss_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		(void)snprintf(ret_text, LISTEN_TEXT_MAX, "%s:%u", host, ntohs(four->sin_port));
		return;
	case AF_INET6:
		(void)inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		(void)snprintf(ret_text, LISTEN_TEXT_MAX, "[%s]:%u", host, ntohs(six->sin6_port));
		return;
	default:
		/* That of a client has no path. */
		(void)snprintf(ret_text, LISTEN_TEXT_MAX, UNIX "%.*s", (int)sizeof(local->sun_path),
			       local->sun_path);
	}
}

bool listen_is_loopback(const struct listen_address *address)
{
	const struct sockaddr_in *four = (const void *)&address->address;
	const struct sockaddr_in6 *six = (const void *)&address->address;

	switch (address->address.ss_family) {
	case AF_INET:
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) &&
			six->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	default:
		return address->address.ss_family == AF_UNIX;
	}
}
