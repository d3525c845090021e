/* SPDX-License-Identifier: Apache-2.0 */
/* What looks after the device the service runs on. */
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

static const struct verb VERBS[] = {
	{"fapi probe", verb_fapi_probe, "Show whether FAPI reaches the TPM and its keys"},
	{"fapi provision", verb_fapi_provision, "Make the keys that FAPI needs"},
	{"fapi seal", verb_fapi_seal, "Let FAPI seal up to 128 bytes under a path"},
	{"fapi list", verb_fapi_list, "List the paths of FAPI's objects"},
	{"fapi delete", verb_fapi_delete, "Delete an object of FAPI"},
	{"tpm accept", verb_tpm_accept, "Accept a TPM that was changed, in the place of the old"},
	{"tpm2 render", verb_tpm2_render, "Write the files of this machine's TPM2 software"},
	{"tpm2 apply", verb_tpm2_apply, "Make this machine's TPM2 software be as configured"},
	{"tpm2 check", verb_tpm2_check,
	 "Compare this machine's TPM2 software with what is configured"},
	{"tenant add", verb_tenant_add, "Serve one more tenant, such as a container"},
	{"tenant list", verb_tenant_list, "List the tenants"},
	{"tenant show", verb_tenant_show, "Show what a tenant may do, and what it has"},
	{"tenant remove", verb_tenant_remove, "Remove a tenant with its keys and secrets"},
	{"device init", verb_device_init, "Give the device its identity now"},
	{"device csr", verb_device_csr, "Make a request for the device's certificate"},
	{"device install-cert", verb_device_install, "Install the certificate that a CA has made"},
	{"device renew", verb_device_renew, "Make a new self-signed certificate of the same key"},
	{"device approve", verb_device_approve, "Accept what the device has come to, and go on"},
	{"device migrate", verb_device_migrate, "Move a software identity into the TPM"},
	{"device reset", verb_device_reset, "Erase the identity and all keys: a factory reset"},
	{"artifact publish", verb_artifact_publish, "Publish a resource for devices to load"},
	{"artifact inspect", verb_artifact_inspect,
	 "Look at what was published, as a device would"},
	{"artifact wrap", verb_artifact_wrap, "Wrap a release's key for more devices"},
	{"artifact enrol", verb_artifact_enrol, "Let a device in at an origin"},
	{"artifact open", verb_artifact_open, "Open an artifact on the device it is wrapped for"},
	{"artifact prune", verb_artifact_prune, "Remove what no release needs any more"},
	{"artifact archive", verb_artifact_archive, "Seal an archive of images for devices"},
	{"doctor", verb_doctor, "Look for what is wrong, and say what to do about it"},
};

const struct verb_set VERBS_HOST = {VERBS, ARRAY_LEN(VERBS)};
