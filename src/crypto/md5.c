/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/md5.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "crypto/ossl.h"

#define MD5_SIZE 16u

int md5_text(struct slice bytes, char ret_text[MD5_TEXT_SIZE], struct err *err)
{
	uint8_t digest[MD5_SIZE];
	size_t i;

	if (EVP_Q_digest(NULL, "MD5", NULL, bytes.data, bytes.len, digest, NULL) != 1)
		return ossl_fail(err, ERR_NOT_SUPPORTED, "MD5 is not available");
	for (i = 0; i < MD5_SIZE; i++)
		(void)snprintf(ret_text + 2 * i, MD5_TEXT_SIZE - 2 * i, "%02x", digest[i]);
	return 0;
}
