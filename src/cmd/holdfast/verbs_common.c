/* SPDX-License-Identifier: Apache-2.0 */
/* What needs the library alone, as a container does. */
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

static const struct verb VERBS[] = {
	{"status", verb_status, "Show which provider protects, why, and how the TPM is"},
	{"seal", verb_seal, "Seal data, so that only this device opens it again"},
	{"unseal", verb_unseal, "Open what was sealed"},
	{"secret list", verb_secret_list, "List the secrets that seal --name has stored"},
	{"secret delete", verb_secret_delete, "Delete a stored secret"},
	{"key create", verb_key_create, "Create a key that stays behind the service"},
	{"key list", verb_key_list, "List the keys"},
	{"key public", verb_key_public, "Print a key's public half as PEM"},
	{"key delete", verb_key_delete, "Delete a key; what it signed stays valid"},
	{"key import", verb_key_import, "Take over a private key from a PEM"},
	{"key export", verb_key_export, "Give out a key that was created with --export"},
	{"key key-file", verb_key_file, "Make a PEM file that names a key, for the OpenSSL module"},
	{"key csr", verb_key_csr, "Make a request for a certificate with a key"},
	{"decrypt", verb_decrypt, "Decrypt what was encrypted to a key by RSA-OAEP"},
	{"agree", verb_agree, "Agree on a secret with the owner of another key, by ECDH"},
	{"mac", verb_mac, "Authenticate data with a key by HMAC-SHA-256"},
	{"aik create", verb_aik_create, "Create an attestation key in the TPM"},
	{"aik list", verb_aik_list, "List the attestation keys"},
	{"aik public", verb_aik_public, "Print an attestation key's public half or its Name"},
	{"aik delete", verb_aik_delete, "Delete an attestation key"},
	{"aik quote", verb_aik_quote, "Let the TPM sign the values of its PCRs"},
	{"aik certify", verb_aik_certify, "Let the TPM sign that a key is in it"},
	{"aik sign", verb_aik_sign, "Sign a message of up to 1 MiB with an attestation key"},
	{"aik activate", verb_aik_activate, "Open a challenge: the keys are in one TPM"},
	{"device status", verb_device_status, "Show the device's identity, and whether it serves"},
	{"device sign", verb_device_sign, "Sign a message with the device's key, for a purpose"},
	{"device certificate", verb_device_certificate, "Print the device's certificate"},
	{"device key-file", verb_device_key_file, "Make a PEM file that names the device's key"},
	{"device storage-key", verb_device_storage_key, "Print what keys are wrapped to here"},
	{"device activate", verb_device_activate,
	 "Open a challenge: the storage key is in this TPM"},
	{"device unwrap", verb_device_unwrap, "Open what was wrapped for this device"},
	{"ek", verb_ek, "Print the TPM's endorsement key or its certificate"},
	{"pcr", verb_pcr, "Print the values of the TPM's PCRs"},
	{"eventlog", verb_eventlog, "Print the firmware's event log"},
	{"usage", verb_usage, "Show what this container uses, as its host counts it"},
	{"random", verb_random, "Print random bytes of the service's provider"},
};

const struct verb_set VERBS_COMMON = {VERBS, ARRAY_LEN(VERBS)};
