#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A tenant that works while its TPM is reset, and what it may be told then.

usage: reset.py load SOCKET FOLDER	until FOLDER/stop is there; rounds done are written to FOLDER/rounds
       reset.py persist SOCKET FOLDER	a primary key and a child, made persistent; their names are kept
       reset.py use SOCKET FOLDER	both sign and are who they were
       reset.py remove SOCKET FOLDER
"""

import hashlib
import pathlib
import struct
import sys
import time

sys.dont_write_bytecode = True

import raw  # noqa: E402
from raw import NULL, Lost, Refused, Tpm, password, sized, take  # noqa: E402

PRIMARY, CHILD = 0x81000061, 0x81000062
DIGEST = hashlib.sha256(b"message").digest()
# FAILURE while there is no chip, RETRY and its like, what a reset took (objects, sessions, saved
# contexts), and a chip that was not started yet.
PROPER = {0x101, 0x100, 0x908, 0x90A, 0x922, 0x1DF, 0x1CB} | set(range(0x910, 0x91F))
LONGEST = 60


class Load:
    def __init__(self, tpm):
        self.tpm, self.told, self.rounds = tpm, {}, 0

    def make(self):
        """Everything anew, which takes no handle from before."""
        self.primary = self.tpm.primary()
        self.sealed = self.tpm.seal(self.primary)
        self.policy = self.tpm.session(raw.POLICY_SESSION)
        self.context = self.tpm.save(self.sealed)

    def round(self):
        rc, data = self.tpm.unseal(self.sealed)
        if rc:
            raise Refused("Unseal", rc)
        if data != b"plain":
            raise Lost("other data")
        self.tpm.call("PolicyGetDigest", [self.policy])
        self.tpm.flush(self.tpm.restore(self.context))
        self.tpm.seal(self.primary, data=b"another")
        self.tpm.random()

    def run(self, folder):
        fresh = False
        while not (folder / "stop").exists():
            begin = time.monotonic()
            try:
                if not fresh:
                    self.make()
                    fresh = True
                self.round()
                self.rounds += 1
                (folder / "rounds.new").write_text(str(self.rounds))
                (folder / "rounds.new").rename(folder / "rounds")
            except Refused as reason:
                fresh = False
                self.told[reason.rc] = str(reason)
                if reason.rc not in PROPER:
                    sys.exit(f"no proper error: {reason}")
            if time.monotonic() - begin > LONGEST:
                sys.exit("a round took too long")
        self.tpm.flush_all()
        print(" ".join(sorted(self.told.values())) or "no error at all")


def sign(tpm, handle):
    params = sized(DIGEST) + struct.pack(">HH", 0x18, 0xB) + struct.pack(">HIH", 0x8024, NULL, 0)
    return tpm.call("Sign", [handle], [password()], params).parameters()


def name_of(tpm, handle):
    return take(take(tpm.call("ReadPublic", [handle]).parameters())[1])[0]


def persist(tpm, folder):
    primary = tpm.primary()
    key = tpm.load(primary, tpm.create(primary, raw.SIGNING, data=b""))
    (folder / "primary").write_bytes(name_of(tpm, primary))
    (folder / "child").write_bytes(name_of(tpm, key))
    tpm.evict(primary, PRIMARY)
    tpm.evict(key, CHILD)
    tpm.flush_all()


def use(tpm, folder):
    for handle, file in ((PRIMARY, "primary"), (CHILD, "child")):
        if name_of(tpm, handle) != (folder / file).read_bytes():
            sys.exit(f"{handle:#x} is somebody else")
        if handle not in tpm.handles(raw.PERSISTENT_FIRST):
            sys.exit(f"{handle:#x} is not listed")
    for _ in range(3):
        sign(tpm, CHILD)
        parts = tpm.create(PRIMARY, raw.SIGNING, data=b"")
        key = tpm.load(PRIMARY, parts)
        signature = sign(tpm, key)
        tpm.call("VerifySignature", [key], None, sized(DIGEST) + signature)
        signature = sign(tpm, CHILD)
        tpm.call("VerifySignature", [CHILD], None, sized(DIGEST) + signature)
        tpm.flush(key)


def remove(tpm, folder):
    del folder
    for handle in (CHILD, PRIMARY):
        tpm.evict(handle, handle)
        if not tpm.try_("ReadPublic", [handle]):
            sys.exit(f"{handle:#x} is still there")


def main():
    verb, tpm, folder = sys.argv[1], Tpm(sys.argv[2]), pathlib.Path(sys.argv[3])
    folder.mkdir(exist_ok=True)
    try:
        if verb == "load":
            Load(tpm).run(folder)
        else:
            {"persist": persist, "use": use, "remove": remove}[verb](tpm, folder)
    except (Refused, Lost) as reason:
        sys.exit(f"{verb}: {reason}")


main()
