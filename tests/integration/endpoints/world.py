# SPDX-License-Identifier: Apache-2.0
"""Two tenants with objects of every kind: of the same names, and some that A alone has."""

import json
import os
import pathlib
import time

import tools
from wire import Client, Request, as_json, b64, decoded

# The kinds of objects: where they are made, and of what, beside their name.
KEYS = {
    "sign": {"type": "ecc-p256"},
    "rsa": {"type": "rsa-2048", "use": ["decrypt"]},
    "agree": {"type": "ecc-p256", "use": ["agree"]},
    "mac": {"type": "hmac-sha256"},
    "export": {"type": "ecc-p256", "export": True, "auth": "none"},
}
AIKS = {"aik": {"type": "ecc-p256"}}
STARTING_S = 20
WORDS = ("random", "seal", "key", "sign", "aik", "usage", "decrypt", "import", "export", "unwrap",
         "device-sign", "device-tls", "device-raw")


class Missing(Exception):
    """An object that could not be made; the text says why."""


class Tenant:
    def __init__(self, name, socket):
        self.name, self.client = name, Client(socket)
        self.objects = {}  # name: what the service said when it was made
        self.contents = {}  # of secrets, by name
        self.plain, self.blob = b"", ""  # what it sealed, and its blob, in base64

    def send(self, request):
        """Again while its data are being opened, which is done after the provider is chosen."""
        until = time.monotonic() + STARTING_S
        answer = self.client.send(request)
        while answer.code() == "starting" and time.monotonic() < until:
            time.sleep(0.02)
            answer = self.client.send(request)
        return answer

    def call(self, method, path, value=None):
        request = Request(method, path) if value is None else as_json(method, path, value)
        answer = self.send(request)
        if answer.status not in (200, 201, 204):
            raise Missing(f"{self.name}: {request}: {answer}")
        return answer.json() if answer.body else None

    def names(self, kind):
        """Of its objects in the list that this kind is in."""
        mine = AIKS if kind == "aik" else KEYS if kind in KEYS else {"secret": None}
        return sorted(name for name in self.objects if name.partition(".")[2] in mine)


class World:
    def __init__(self, run, provider):
        self.run, self.provider = pathlib.Path(run), provider
        self.on_tpm = provider == "tpm"
        self.host = Tenant("host", self.run / "holdfast.sock")
        self.admin = Tenant("admin", self.run / "admin.sock")
        self.a, self.b = self.tenant("a"), self.tenant("b")
        self.faults = []
        self.fresh_number = 0
        self.message = b"a message that is signed"
        self.plain = b"a plaintext for B alone"

    def tenant(self, name):
        return Tenant(name, self.run / "tenants" / name / "holdfast.sock")

    def fault(self, what, text):
        self.faults.append(f"{what}: {text}")

    def fresh(self, kind="x"):
        self.fresh_number += 1
        return f"fresh{self.fresh_number}.{kind}"

    # --- objects; their names say the kind behind the point ---

    def kinds(self):
        return ["secret", *KEYS, *(AIKS if self.on_tpm else ())]

    def make(self):
        for kind in self.kinds():
            for tenant, name in ((self.a, "same"), (self.a, "only-a"), (self.b, "same")):
                try:
                    self.make_object(tenant, f"{name}.{kind}")
                except Missing as reason:
                    self.fault(f"cannot make {kind}", str(reason))
        for tenant in (self.a, self.b):
            tenant.plain = os.urandom(24)
            sealed = tenant.call("POST", "/v1/seal", {"data": b64(tenant.plain)})
            tenant.blob = sealed["blob"]

    def make_object(self, tenant, name):
        kind = name.partition(".")[2]
        if kind == "secret":
            content = os.urandom(24)
            tenant.objects[name] = tenant.call("PUT", f"/v1/secrets/{name}", {"data": b64(content)})
            tenant.contents[name] = content
        elif kind in KEYS:
            tenant.objects[name] = tenant.call("POST", "/v1/keys", {"name": name, **KEYS[kind]})
        else:
            tenant.objects[name] = tenant.call("POST", "/v1/aiks", {"name": name, **AIKS[kind]})

    # --- what must never be told to B ---

    def marks(self):
        for described in self.a.objects.values():
            for member in ("tpm_name", "tpm_public", "public"):
                value = described.get(member)
                if value:
                    yield f"A's {described['name']}", self.mark_of(member, value)
        for name, content in self.a.contents.items():
            yield f"A's {name}", content
        yield "A's blob", self.a.blob.encode()
        yield "what A sealed", self.a.plain

    @staticmethod
    def mark_of(member, value):
        # Not the first lines of a PEM: they say the kind of the key only.
        return "".join(value.splitlines()[1:-1])[-60:].encode() if member == "public" else value.encode()

    def leak(self, answer):
        """What of A's is in an answer to B; "" when nothing is."""
        texts = [answer.body, *decoded(answer.json())]
        texts += [text.replace(b"\n", b"") for text in texts]
        return next((what for what, mark in self.marks() if any(mark in text for text in texts)), "")

    # --- A's, afterwards ---

    def check_intact(self):
        for name, described in self.a.objects.items():
            kind = name.partition(".")[2]
            try:
                self.check_object(name, kind, described)
            except (Missing, RuntimeError) as reason:
                self.fault(f"A's {name} afterwards", str(reason))

    def check_object(self, name, kind, described):
        if kind == "secret":
            data = self.a.call("GET", f"/v1/secrets/{name}")["data"]
            if data != b64(self.a.contents[name]):
                self.fault(f"A's {name}", "has another content")
            return
        room = "aiks" if kind in AIKS else "keys"
        now = self.a.call("GET", f"/v1/{room}/{name}")
        if json.dumps(now, sort_keys=True) != json.dumps(described, sort_keys=True):
            self.fault(f"A's {name}", f"was {described} and is {now}")
        if kind in ("sign", "aik"):
            signed = self.a.call("POST", f"/v1/{room}/{name}/sign", {"message": b64(self.message)})
            if not tools.verifies(now["public"], self.message, raw(signed["signature"])):
                self.fault(f"A's {name}", "does not sign any more")


def raw(text):
    return next(iter(list(decoded(text))[1:]), b"")
