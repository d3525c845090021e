/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_CSR_H
#define CMD_HOLDFAST_CSR_H

/* Csr: the options of requests for certificates, of keys and of the device. */

#include "cmd/holdfast/sign.h"
#include "cmd/holdfast/verb.h"

struct csr {
	struct opt_list dns;
	struct opt_list ip;
	struct opt_list mail;
	struct opt_list uri;
	struct hf_certificate_request request;
};

/* The lists of the request are those of the options. */
#define CSR_INIT(csr)                                                                              \
	{                                                                                          \
		.request = {                                                                       \
			.dns = (csr).dns.items,                                                    \
			.ip = (csr).ip.items,                                                      \
			.mail = (csr).mail.items,                                                  \
			.uri = (csr).uri.items,                                                    \
		}                                                                                  \
	}

/* Rows; @errand is the one that puts the request. */
#define CSR_OPTS(csr, errand)                                                                      \
	{.kind = OPT_LIST,                                                                         \
	 .name = "dns",                                                                            \
	 .value = "HOST",                                                                          \
	 .help = "a name for hosts that the certificate shall hold",                               \
	 .list = &(csr).dns},                                                                      \
		{.kind = OPT_LIST,                                                                 \
		 .name = "ip",                                                                     \
		 .value = "ADDRESS",                                                               \
		 .help = "an address of IPv4 or IPv6",                                             \
		 .list = &(csr).ip},                                                               \
		{.kind = OPT_LIST,                                                                 \
		 .name = "email",                                                                  \
		 .value = "ADDRESS",                                                               \
		 .help = "an address of mail",                                                     \
		 .list = &(csr).mail},                                                             \
		{.kind = OPT_LIST,                                                                 \
		 .name = "uri",                                                                    \
		 .value = "URI",                                                                   \
		 .help = "a URI",                                                                  \
		 .list = &(csr).uri},                                                              \
		VERB_OPT_OUT("the request, as PEM,", &(errand).out)

#endif
