/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_FLOW_H
#define SERVICE_FLOW_H

/* Sealing and unsealing of octets that are too large to be held; service_seal() hands them over. */

#include "http/http.h"
#include "service/service.h"

void flow_seal(struct service *service, struct http_request *request);
void flow_unseal(struct service *service, struct http_request *request);

#endif
