/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table for what a client of the loader may hear. Base's codes come first, among them those of
 * the service that has the TPM; what is not in it are defects or matters of the device, and have
 * the name of ERR_INTERNAL.
 */
#include "loader/fault.h"

static const struct fault_info TABLE[] = {
	{ERR_INVALID, "invalid", 422, "Correct what the detail names and send the request again."},
	{ERR_NOT_FOUND, "not_found", 404,
	 "Check folder and name, and whether the resource was published."},
	{ERR_FORBIDDEN, "policy_denied", 403,
	 "Send the request from a program on the device, to a host that the configuration lists; "
	 "where the API refuses, have it allow this to the user."},
	{ERR_TOO_LARGE, "too_large", 413,
	 "Send less, or raise resource_max in the loader's configuration."},
	{ERR_DAMAGED, "decrypt_failed", 422,
	 "Publish the resource again, for this device's salts and formula."},
	{ERR_DISK_FULL, "disk_full", 507,
	 "Free some space on the disk of cache_dir, then ask again: it goes on from where it "
	 "stopped."},
	{ERR_NOT_SUPPORTED, "not_supported", 422,
	 "Repeating does not help: the detail says what this loader cannot do."},
	{ERR_TIMEOUT, "timeout", 504, "Look whether it happened, then repeat it if it did not."},
	{ERR_STARTING, "starting", 503,
	 "Repeat in a few seconds: holdfastd has not chosen its provider yet."},
	{ERR_TPM_REQUIRED, "tpm_required", 503,
	 "Run holdfastd with the TPM in use and do without SECURITY_PROVIDER=legacy, then repeat; "
	 "resources of version 1 go on meanwhile."},
	{ERR_TPM_BUSY, "tpm_busy", 503, "Repeat in a few seconds."},
	{ERR_TPM_LOCKOUT, "tpm_lockout", 503,
	 "Wait until the TPM's lockout ends, or have the administrator clear it."},
	{ERR_TPM_FAILED, "tpm_failed", 503,
	 "Repeat once; if it fails again, restart the device and have its TPM checked."},
	{ERR_TPM_CHANGED, "tpm_changed", 503,
	 "Put the original TPM back, or have the administrator accept this one (holdfast tpm "
	 "accept) and the device enrolled again."},
	{ERR_INTERNAL, "internal", 500, "Look into the loader's log and report what it says."},
	{FAULT_UPSTREAM, "upstream_unreachable", 502,
	 "Check the device's network, api_url and where the CDN is, then repeat."},
	{FAULT_CREDENTIALS, "auth_failed", 401, "Give an email and a password that the API takes."},
	{FAULT_NOT_LOGGED_IN, "not_logged_in", 401, "Log in first (POST /login)."},
	{FAULT_SIGNATURE, "signature_invalid", 422,
	 "Publish it with a signature that leads to one of the trust_anchors, an artifact of "
	 "version 2 to one of the manifest_anchors."},
	{FAULT_DIGEST, "digest_mismatch", 422,
	 "Bring an archive with the images that the configuration names."},
	{FAULT_DOCKER, "docker_failed", 502,
	 "Check that Docker runs and that the loader may use docker_socket, then repeat."},
	{FAULT_BUSY, "busy", 503, "Wait a moment, then repeat."},
	{FAULT_CANCELLED, "cancelled", 409, "Ask again if it is still wanted."},
	{FAULT_ROLLED_BACK, "rolled_back", 409,
	 "Publish the release under a serial number that is higher than each one before."},
	{FAULT_EXPIRED, "expired", 403, "Publish a new release, and check the device's clock."},
	{FAULT_NO_KEY, "no_device_key", 404,
	 "Have the publisher wrap the artifact's key for this device (holdfast artifact wrap)."},
};

const struct fault_info *fault_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(TABLE);
	return TABLE;
}

static const struct fault_info *find(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(TABLE); i++)
		if (TABLE[i].code == code)
			return &TABLE[i];
	return NULL;
}

const struct fault_info *fault_info(int code)
{
	const struct fault_info *info = find(code);

	return info ? info : find(ERR_INTERNAL);
}
