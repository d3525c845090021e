#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""wrap: data for the storage key of one TPM, made by pytss and without any of our code.

usage: wrap.py STORAGE_PUBLIC DATA OUT [HOW..]

STORAGE_PUBLIC is a TPM2B_PUBLIC. OUT gets the files public, duplicate and seed, marshalled as
TPM2_Import takes them, and key.json with the three in base64. HOW makes something else than data
for a device:

  auth=TEXT       a password inside
  attributes=HEX  other attributes than userWithAuth and noDA
  policy          an authPolicy besides
  scheme          an HMAC key instead of sealed data
  sha384          another nameAlg
  inner           an inner wrapper, too
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from tpm2_pytss import (  # noqa: E402
    TPM2_ALG, TPM2B_DIGEST, TPM2B_PUBLIC, TPM2B_SENSITIVE, TPMA_OBJECT, TPMT_PUBLIC,
    TPMT_SENSITIVE, TPMT_SYM_DEF_OBJECT,
)
from tpm2_pytss.types import (  # noqa: E402
    TPMS_KEYEDHASH_PARMS, TPMT_KEYEDHASH_SCHEME, TPMU_PUBLIC_ID, TPMU_PUBLIC_PARMS,
    TPMU_SENSITIVE_COMPOSITE,
)
from tpm2_pytss.utils import wrap  # noqa: E402


def scheme(how):
    if "scheme" not in how:
        return TPMT_KEYEDHASH_SCHEME(scheme=TPM2_ALG.NULL)
    made = TPMT_KEYEDHASH_SCHEME(scheme=TPM2_ALG.HMAC)
    made.details.hmac.hashAlg = TPM2_ALG.SHA256
    return made


def areas(data, how):
    """Public and sensitive area of a keyed-hash object that holds the data."""
    name_alg = TPM2_ALG.SHA384 if "sha384" in how else TPM2_ALG.SHA256
    digest = hashlib.sha384 if "sha384" in how else hashlib.sha256
    obfuscation = hashlib.sha256(b"obfuscation" + data).digest()
    attributes = TPMA_OBJECT(int(how["attributes"], 16)) if "attributes" in how else (
        TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.NODA)
    public = TPMT_PUBLIC(
        type=TPM2_ALG.KEYEDHASH, nameAlg=name_alg, objectAttributes=attributes,
        authPolicy=digest(b"a policy").digest() if "policy" in how else b"",
        parameters=TPMU_PUBLIC_PARMS(
            keyedHashDetail=TPMS_KEYEDHASH_PARMS(scheme=scheme(how))),
        unique=TPMU_PUBLIC_ID(
            keyedHash=TPM2B_DIGEST(buffer=digest(obfuscation + data).digest())),
    )
    sensitive = TPMT_SENSITIVE(
        sensitiveType=TPM2_ALG.KEYEDHASH, authValue=how.get("auth", "").encode(),
        seedValue=obfuscation, sensitive=TPMU_SENSITIVE_COMPOSITE(bits=data))
    return TPM2B_PUBLIC(publicArea=public), TPM2B_SENSITIVE(sensitiveArea=sensitive)


def main():
    storage, data, out = (Path(word) for word in sys.argv[1:4])
    how = dict(word.partition("=")[::2] for word in sys.argv[4:])
    parent, rest = TPM2B_PUBLIC.unmarshal(storage.read_bytes())
    if rest != len(storage.read_bytes()):
        sys.exit("there are bytes behind the storage key")
    inner = {}
    if "inner" in how:
        inner["symdef"] = TPMT_SYM_DEF_OBJECT(
            algorithm=TPM2_ALG.AES, keyBits={"aes": 128}, mode={"aes": TPM2_ALG.CFB})
    public, sensitive = areas(data.read_bytes(), how)
    _, duplicate, seed = wrap(parent.publicArea, public, sensitive, **inner)
    parts = {"public": public.marshal(), "duplicate": duplicate.marshal(),
             "seed": seed.marshal()}
    for name, part in parts.items():
        (out / name).write_bytes(part)
    text = {name: base64.b64encode(part).decode() for name, part in parts.items()}
    (out / "key.json").write_text(json.dumps(text) + "\n")


main()
