/* SPDX-License-Identifier: Apache-2.0 */
/* device.key.pem: what there is where no TPM is. */
#include "identity/files_impl.h"

#include "base/file.h"

#define KEY_MAX	 16384u
#define KEY_MODE 0600
#define EC_BEGIN "-----BEGIN EC PRIVATE KEY-----"

/* PKCS#8, or what EVE's own software has written before. */
static int read_key(struct slice pem, struct pkey **ret_key, struct err *err)
{
	if (memmem(pem.data, pem.len, EC_BEGIN, strlen(EC_BEGIN)))
		return pkey_from_ec_pem(pem, ret_key, err);
	return pkey_from_pkcs8_pem(pem, NULL, ret_key, err);
}

int identity_soft_read(struct identity_files *files, struct pkey **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *pem = NULL;
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	int r = files_read(files, FILES_IN_CONFIG, FILES_KEY, KEY_MAX, &pem, err);

	if (r == 0)
		r = read_key(secret_slice(pem), &key, err);
	if (r == 0 && pkey_type(key) != PKEY_ECC_P256)
		r = err_set(err, ERR_NOT_SUPPORTED, "the key is not of P-256");
	switch (r) {
	case 0:
		*ret_key = TAKE(key);
		return 0;
	case ERR_TOO_LARGE:
	case ERR_INVALID:
	case ERR_AUTH_FAILED:
	case ERR_NOT_SUPPORTED:
		err->code = ERR_DAMAGED;
		return err_wrap(err, FILES_KEY);
	default:
		return r;
	}
}

int identity_soft_write(struct identity_files *files, const struct pkey *key, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEY_MAX);
	int r;

	if (pkey_type(key) != PKEY_ECC_P256)
		return err_set(err, ERR_INVALID, "a software identity's key is of P-256");
	r = pkey_to_pkcs8_pem(key, NULL, &pem, err);
	if (r < 0)
		return r;
	return files_write(files, FILES_IN_CONFIG,
			   &(struct files_content){
				   .name = FILES_KEY, .bytes = buf_slice(&pem), .mode = KEY_MODE},
			   err);
}

int identity_soft_erase(struct identity_files *files, struct err *err)
{
	return files_erase(files, FILES_IN_CONFIG, FILES_KEY, err);
}

int identity_soft_quarantine(struct identity_files *files, bool with_certificate, struct err *err)
{
	int r = files_quarantine(files, FILES_IN_CONFIG, FILES_KEY, err);

	if (r == 0 && with_certificate)
		r = files_quarantine(files, FILES_IN_CONFIG, FILES_CERTIFICATE, err);
	return r;
}
