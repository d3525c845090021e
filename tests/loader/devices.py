# SPDX-License-Identifier: Apache-2.0
"""Devices of the counterpart (origin.py): what docs/LOADER.md says of device sessions, once more. What
is made for a TPM is made by the TSS's Python bindings, chains are the openssl command's to judge."""

import base64
import hashlib
import json
import pathlib
import re
import secrets
import subprocess
import tempfile
import threading
import time

from tpm2_pytss import TPM2B_PUBLIC, TPM2B_SENSITIVE, TPMA_OBJECT, TSS2_Exception
from tpm2_pytss.utils import make_credential, wrap

NAME = re.compile(r"000b[0-9a-f]{64}")
FIT = (TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN |
       TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.DECRYPT)
SEALED = TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.NODA
FILE_MAGIC = bytes.fromhex("badcc0de00000001")
SESSION_S = 4 * 3600


class Refused(Exception):
    def __init__(self, code, detail):
        super().__init__(code)
        self.code = code
        self.detail = detail


class Area:
    """A TPM2B_PUBLIC, as it came."""

    def __init__(self, text):
        self.raw = base64.b64decode(text, validate=True)
        try:
            self.public, used = TPM2B_PUBLIC.unmarshal(self.raw)
        except TSS2_Exception as error:
            raise ValueError("no public area") from error
        if used != len(self.raw):
            raise ValueError("more than a public area")
        self.name = bytes(self.public.get_name()).hex()
        attributes = int(self.public.publicArea.objectAttributes)
        self.fit = attributes & FIT == FIT and not attributes & int(TPMA_OBJECT.SIGN_ENCRYPT)

    def spki(self):
        return self.public.to_der()


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def pem(der):
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def split_der(data):
    """Certificates one behind the other."""
    while data:
        if len(data) < 4 or data[:2] != b"\x30\x82":
            raise ValueError("no certificates")
        size = 4 + int.from_bytes(data[2:4], "big")
        if size > len(data):
            raise ValueError("a certificate is cut")
        yield data[:size]
        data = data[size:]


def openssl(*argv, data=None):
    return subprocess.run(["openssl", *argv], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)


class Devices:
    def __init__(self, root, anchors=None, eks=None):
        self.folder = pathlib.Path(root) / "devices"
        self.anchors = anchors
        self.eks = set()
        if eks:
            self.eks = {line for line in eks.read_text().splitlines() if NAME.fullmatch(line)}
        self.sessions = {}
        self.lock = threading.Lock()

    def path(self, name):
        return self.folder / f"{name}.json"

    def record(self, name):
        try:
            return json.loads(self.path(name).read_text())
        except FileNotFoundError:
            return None

    # --- who is let in ---

    def has_maker(self, ek, wish):
        if not self.anchors or not wish.get("certificate"):
            return False
        own = base64.b64decode(wish["certificate"], validate=True)
        chain = base64.b64decode(wish.get("chain") or "", validate=True)
        certificates = list(split_der(own))
        key = openssl("x509", "-noout", "-pubkey", data=pem(own).encode()).stdout
        der = openssl("pkey", "-pubin", "-outform", "DER", data=key).stdout
        if len(certificates) != 1 or der != ek.spki():
            return False
        with tempfile.TemporaryDirectory() as folder:
            others = pathlib.Path(folder) / "others.pem"
            others.write_text("".join(map(pem, split_der(chain))))
            untrusted = ["-untrusted", str(others)] if chain else []
            return openssl("verify", "-partial_chain", "-no_check_time", "-trusted",
                           str(self.anchors), *untrusted, data=pem(own).encode()).returncode == 0

    def judge(self, storage, wish, record):
        """The endorsement key to challenge it by, or None: by a duplicate."""
        if wish["protection"] not in ("tpm", "software"):
            raise ValueError("protection")
        if wish["protection"] == "tpm" and not storage.fit:
            raise Refused("storage_key_unfit", "its attributes do not say that it stays in a TPM")
        ek = Area(wish["ek"]["public"]) if wish["ek"] else None
        if record:
            if ek and record["ek_name"] and record["ek_name"] != ek.name:
                raise Refused("ek_untrusted", "the device has another endorsement key")
            return ek if record["ek_name"] else None
        if not ek or wish["protection"] != "tpm":
            raise Refused("device_unknown", "nobody has enrolled it")
        if not ek.fit or (ek.name not in self.eks and not self.has_maker(ek, wish["ek"])):
            raise Refused("ek_untrusted", "no maker that is known")
        return ek

    def session(self, wish):
        """The answer: a challenge, or why there is none. ValueError, KeyError: it is no wish."""
        storage = Area(wish["storage_key"]["public"])
        record = self.record(storage.name)
        try:
            ek = self.judge(storage, wish, record)
        except Refused as refused:
            return {"code": refused.code, "detail": refused.detail}
        hidden = secrets.token_bytes(32)
        if ek:
            identity, seed = make_credential(ek.public, hidden, storage.public.get_name())
            answer = {"credential": b64(FILE_MAGIC + identity.marshal() + seed.marshal())}
        else:
            answer = {"wrapped": self.wrapped(storage, hidden)}
        text = base64.urlsafe_b64encode(hidden).rstrip(b"=")
        with self.lock:
            self.sessions[hashlib.sha256(text).digest()] = {
                "name": storage.name, "public": b64(storage.raw), "ek_name": ek and ek.name,
                "enrol": record is None, "until": time.monotonic() + SESSION_S,
            }
        return answer

    @staticmethod
    def wrapped(storage, hidden):
        sensitive, public = TPM2B_SENSITIVE.keyedhash_from_secret(hidden, objectAttributes=SEALED)
        _, duplicate, seed = wrap(storage.public.publicArea, public, sensitive)
        return {"public": b64(public.marshal()), "duplicate": b64(duplicate.marshal()),
                "seed": b64(seed.marshal())}

    # --- who it is ---

    def whose(self, header):
        """The Name of the device that has this session; None: there is none, or it is over."""
        with self.lock:
            session = self.sessions.get(hashlib.sha256((header or "").encode()).digest())
            if not session or session["until"] <= time.monotonic():
                return None
            if session["enrol"]:
                self.enrol(session)
                session["enrol"] = False
        return session["name"] if self.path(session["name"]).is_file() else None

    def enrol(self, session):
        self.folder.mkdir(exist_ok=True)
        record = {
            "storage_key": {"public": session["public"], "name": session["name"]},
            "protection": "tpm", "ek_name": session["ek_name"], "enrolled": int(time.time()),
        }
        temporary = self.folder / f".{session['name']}"
        temporary.write_text(json.dumps(record))
        temporary.rename(self.path(session["name"]))
