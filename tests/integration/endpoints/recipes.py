# SPDX-License-Identifier: Apache-2.0
"""How each operation of docs/API.yaml is asked for, and how its answer is known to be the asker's.
An operation without a recipe fails the tests: whoever adds a route adds its recipe."""

import dataclasses
import json
from collections.abc import Callable

import tools
from world import raw
from wire import JSON, OCTETS, Request, b64


@dataclasses.dataclass
class Case:
    right: str = ""  # words that the tenant needs; "host", "admin": not for a container at all
    body: Callable | dict | None = None  # of (world, tenant, name), or always the same
    octets: Callable | None = None  # the body as octets instead
    headers: dict = dataclasses.field(default_factory=dict)
    query: str = ""
    kind: str = ""  # of the object that the path names
    refers: dict = dataclasses.field(default_factory=dict)  # members that name objects: their kind
    creates: str = ""  # the kind of what it makes
    removes: bool = False
    lists: str = ""  # kind
    status: tuple = (200,)
    own: Callable | None = None  # (world, tenant, name, answer): a fault, or ""
    stolen: Callable | None = None  # (world): the body with what was made for A
    refusal: tuple = ()  # the codes with which that is refused
    tpm: bool = False  # only a TPM can do it
    absent: tuple = ()  # codes that say the machine has none
    safe: bool = True  # may be sent for real by a test of bad bodies that turns out to be good
    what: str = ""

    def on(self, world):
        """The tenant who may ask it at all, where the asker is not the point."""
        return {"host": world.host, "admin": world.admin}.get(self.right, world.b)

    def path(self, operation, name):
        path = operation.partition(" ")[2].replace("{name}", name)
        return path + self.query

    def request(self, operation, world, tenant, name):
        method = operation.partition(" ")[0]
        headers = dict(self.headers)
        body = self.body(world, tenant, name) if callable(self.body) else self.body
        if self.octets:
            body = self.octets(world, tenant, name)
            headers.setdefault("Content-Type", OCTETS)
        elif body is not None:
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", JSON)
        return Request(method, self.path(operation, name), body, headers)


def member(answer, name):
    return (answer.json() or {}).get(name) or ""


# --- whose answer it is ---


def opens_own(world, tenant, name, answer):
    data = answer.body if answer.media == OCTETS else raw(member(answer, "data"))
    return "" if data == tenant.plain else "is not what this tenant sealed"


def own_secret(world, tenant, name, answer):
    data = answer.body if answer.media == OCTETS else raw(member(answer, "data"))
    return "" if data == tenant.contents[name] else "is not this tenant's secret"


def own_description(world, tenant, name, answer):
    known = tenant.objects[name]
    told = answer.json()
    same = all(told.get(one) == known.get(one) for one in ("name", "public", "tpm_name", "created"))
    return "" if same else f"is not this tenant's {name}: {known}"


def own_signature(world, tenant, name, answer):
    good = tools.verifies(tenant.objects[name]["public"], world.message, raw(member(answer, "signature")))
    other = world.a.objects[name]["public"]
    if not good:
        return "does not verify with this tenant's key"
    foreign = tools.verifies(other, world.message, raw(member(answer, "signature")))
    return "verifies with A's key" if foreign and tenant is not world.a else ""


def own_attestation(world, tenant, name, answer):
    good = tools.verifies(tenant.objects[name]["public"], raw(member(answer, "attest")),
                          raw(member(answer, "plain_signature")))
    return "" if good else "does not verify with this tenant's AIK"


def own_plaintext(world, tenant, name, answer):
    return "" if raw(member(answer, "data")) == world.plain else "is another plaintext"


def own_agreement(world, tenant, name, answer):
    expected = tools.derived(tools.key_pair()[0], tenant.objects[name]["public"])
    return "" if raw(member(answer, "secret")) == expected else "is not that of this tenant's key"


def own_mac(world, tenant, name, answer):
    path = f"/v1/keys/{name}/mac"
    again = tenant.call("POST", path, {"data": b64(world.message)})["mac"]
    of_a = world.a.call("POST", path, {"data": b64(world.message)})["mac"]
    mac = member(answer, "mac")
    if mac != again or len(raw(mac)) != 32:
        return f"is not the same again: {again}"
    return "is A's" if mac == of_a else ""


def own_request(world, tenant, name, answer):
    key = tools.request_key(member(answer, "request"))
    return "" if key == tenant.objects[name]["public"] else "is no request of this tenant's key"


def own_pem(world, tenant, name, answer):
    return "" if "PRIVATE KEY" in member(answer, "pem") else "is no PEM"


def own_credential(world, tenant, name, answer):
    return "" if raw(member(answer, "secret")) == b"credential" else "is another secret"


def own_wrapped(world, tenant, name, answer):
    return "" if raw(member(answer, "data")) == b"for this device" else "is something else"


def own_device_signature(world, tenant, name, answer):
    """Says who asked: it is no other tenant's."""
    public = tenant.call("GET", "/v1/device")["key"]["public"]
    whole = [b"holdfast device signature v1", tenant.name.encode(), b"report", world.message]
    good = tools.verifies(public, b"\0".join(whole), raw(member(answer, "signature")))
    return "" if good else "does not verify as this tenant's by the device's key"


# --- bodies that depend on whom they are for ---


def blob(world, tenant, name):
    return {"blob": tenant.blob}


def blob_octets(world, tenant, name):
    return raw(tenant.blob)


def ciphertext(world, tenant, name):
    key = tenant.objects.get(name)
    return {"ciphertext": b64(tools.encrypted(key["public"], world.plain) if key else bytes(256))}


def credential_for(world, tenant, name):
    known = tenant.objects.get(name) or tenant.objects.get("same.aik")
    if not known:
        return {"credential": b64(bytes(100))}
    ek = tenant.call("GET", "/v1/ek")
    made = tools.credential(raw(ek["tpm_public"]), known["tpm_name"], b"credential")
    return {"credential": b64(made), "ek": ek["type"]}


def storage_credential(world, tenant, name):
    if not world.on_tpm:
        return {"credential": b64(bytes(100))}
    ek = world.host.call("GET", "/v1/ek")
    key = world.host.call("GET", "/v1/device/storage-key")
    made = tools.credential(raw(ek["tpm_public"]), key["name"], b"credential")
    return {"credential": b64(made), "ek": ek["type"]}


def wrapped(world, tenant, name):
    key = world.host.call("GET", "/v1/device/storage-key")
    return tools.wrapped(raw(key["public"]), b"for this device")


def certified(world, tenant, name):
    return {"key": "same.sign", "nonce": b64(b"nonce")}


def message(world, tenant, name):
    return {"message": b64(world.message)}


def agreement(world, tenant, name):
    return {"peer": tools.key_pair()[1]}


def new_key(world, tenant, name):
    return {"name": name, "type": "ecc-p256"}


def imported_key(world, tenant, name):
    return {"name": name, "pem": tools.key_pair()[0]}


def device_message(world, tenant, name):
    return {"purpose": "report", "message": b64(world.message)}


def handshake(world, tenant, name):
    """What TLS 1.3 signs (RFC 8446, 4.4.3)."""
    return {"content": b64(bytes([32] * 64) + b"TLS 1.3, client CertificateVerify\0" + bytes(32))}


def new_tenant(world, tenant, name):
    return {"name": name.replace(".", "-"), "operations": ["random"], "rate": 5}


CREATED = (200, 201)
DATA = {"data": b64(b"data of a test")}
NO_IDENTITY = ("not_found",)
OCTET_ANSWER = {"Accept": OCTETS}

RECIPES = {
    "GET /v1/status": [Case()],
    "GET /metrics": [Case("host")],
    "POST /v1/random": [
        Case("random", {"bytes": 16}),
        Case("random", {"bytes": 16}, headers=OCTET_ANSWER, what="octets"),
    ],
    "POST /v1/seal": [
        Case("seal", DATA),
        Case("seal", octets=lambda *_: b"data", what="octets"),
    ],
    "POST /v1/unseal": [
        Case("seal", blob, own=opens_own, stolen=lambda world: blob(world, world.a, ""),
             refusal=("wrong_tenant",)),
        Case("seal", octets=blob_octets, own=opens_own, what="octets",
             stolen=lambda world: blob_octets(world, world.a, ""), refusal=("wrong_tenant",)),
    ],
    "GET /v1/secrets": [Case("seal", lists="secret")],
    "PUT /v1/secrets/{name}": [
        Case("seal", DATA, creates="secret", status=CREATED),
        Case("seal", octets=lambda *_: b"data", creates="secret", status=CREATED, what="octets"),
    ],
    "GET /v1/secrets/{name}": [
        Case("seal", kind="secret", own=own_secret),
        Case("seal", kind="secret", own=own_secret, headers=OCTET_ANSWER, what="octets"),
    ],
    "DELETE /v1/secrets/{name}": [Case("seal", kind="secret", removes=True, status=(204,))],
    "GET /v1/keys": [Case("key", lists="sign")],
    "POST /v1/keys": [
        Case("key", new_key, creates="sign", status=(201,)),
        Case("key import", imported_key, creates="sign", status=(201,), what="import"),
    ],
    "GET /v1/keys/{name}": [Case("key", kind="sign", own=own_description)],
    "DELETE /v1/keys/{name}": [Case("key", kind="sign", removes=True, status=(204,))],
    "POST /v1/keys/{name}/sign": [Case("sign", message, kind="sign", own=own_signature)],
    "POST /v1/keys/{name}/decrypt": [
        Case("decrypt", ciphertext, kind="rsa", own=own_plaintext,
             stolen=lambda world: ciphertext(world, world.a, "same.rsa"),
             refusal=("invalid", "auth_failed", "damaged")),
    ],
    "POST /v1/keys/{name}/agree": [Case("decrypt", agreement, kind="agree", own=own_agreement)],
    "POST /v1/keys/{name}/mac": [
        Case("sign", lambda world, *_: {"data": b64(world.message)}, kind="mac", own=own_mac),
    ],
    "POST /v1/keys/{name}/certificate-request": [
        Case("sign", {"subject": "CN=gw-1,O=Example", "dns": ["gw-1.example"]}, kind="sign",
             own=own_request),
    ],
    "POST /v1/keys/{name}/export": [Case("export", {}, kind="export", own=own_pem)],
    "GET /v1/aiks": [Case("aik", lists="aik", tpm=True)],
    "POST /v1/aiks": [
        Case("aik", lambda world, tenant, name: {"name": name}, creates="aik", status=(201,), tpm=True),
    ],
    "GET /v1/aiks/{name}": [Case("aik", kind="aik", own=own_description, tpm=True)],
    "DELETE /v1/aiks/{name}": [Case("aik", kind="aik", removes=True, status=(204,), tpm=True)],
    "POST /v1/aiks/{name}/quote": [
        Case("aik", {"nonce": b64(b"nonce"), "pcrs": {"sha256": [0, 1, 7]}, "event_log": True},
             kind="aik", own=own_attestation, tpm=True),
        Case("aik", {}, kind="aik", own=own_attestation, tpm=True, what="defaults"),
    ],
    "POST /v1/aiks/{name}/certify": [
        Case("aik", certified, kind="aik", refers={"key": "sign"}, own=own_attestation, tpm=True),
    ],
    "POST /v1/aiks/{name}/sign": [Case("aik", message, kind="aik", own=own_signature, tpm=True)],
    "POST /v1/aiks/{name}/activate": [
        Case("aik", credential_for, kind="aik", own=own_credential, tpm=True,
             stolen=lambda world: credential_for(world, world.a, "same.aik"),
             refusal=("invalid", "auth_failed", "damaged")),
    ],
    "GET /v1/ek": [Case("aik", tpm=True), Case("aik", tpm=True, query="?type=rsa-2048", what="type")],
    "GET /v1/ek/certificate": [Case("aik", tpm=True, absent=("no_certificate",))],
    "GET /v1/pcrs": [Case("aik", tpm=True)],
    "GET /v1/eventlog": [Case("aik", tpm=True, absent=("not_found",))],
    "GET /v1/usage": [Case("usage")],
    "GET /v1/device": [Case()],
    "POST /v1/device/sign": [
        Case("device-sign", device_message, own=own_device_signature, absent=NO_IDENTITY),
    ],
    "POST /v1/device/tls": [Case("device-tls", handshake, absent=NO_IDENTITY)],
    "POST /v1/device/raw": [Case("device-raw", {"digest": b64(bytes(32))}, absent=NO_IDENTITY)],
    "GET /v1/device/storage-key": [Case("unwrap")],
    "POST /v1/device/storage-key/activate": [
        Case("unwrap", storage_credential, own=own_credential, tpm=True),
    ],
    "POST /v1/unwrap": [Case("unwrap", wrapped, own=own_wrapped)],
    "GET /v1/fapi/object": [Case("host", query="?path=/HS/SRK/none", absent=("not_found",), tpm=True)],
    "GET /v1/admin/tenants": [Case("admin", lists="tenant")],
    "POST /v1/admin/tenants": [Case("admin", new_tenant, creates="tenant", status=(201,))],
    "GET /v1/admin/tenants/{name}": [Case("admin", kind="tenant")],
    "DELETE /v1/admin/tenants/{name}": [Case("admin", kind="tenant", removes=True, status=(204,))],
    "POST /v1/admin/reload": [Case("admin", {})],
    "GET /v1/admin/audit": [Case("admin"), Case("admin", query="?tenant=b&limit=5", what="of one")],
    "POST /v1/admin/fapi/probe": [Case("admin", {}, safe=False)],
    "POST /v1/admin/fapi/provision": [Case("admin", {}, safe=False)],
    "POST /v1/admin/fapi/seal": [
        Case("admin", {"path": "/HS/SRK/x", "data": b64(b"data")}, safe=False),
    ],
    "GET /v1/admin/fapi/objects": [Case("admin", safe=False)],
    "DELETE /v1/admin/fapi/object": [Case("admin", query="?path=/HS/SRK/none", safe=False)],
    "POST /v1/admin/device/init": [Case("admin", {"software": False}, safe=False)],
    "POST /v1/admin/device/approve": [Case("admin", {}, safe=False)],
    "POST /v1/admin/device/renew": [Case("admin", {}, safe=False)],
    "POST /v1/admin/device/certificate": [Case("admin", {"pem": "-----BEGIN"}, safe=False)],
    "POST /v1/admin/device/certificate-request": [
        Case("admin", {"subject": "CN=gw-1", "dns": ["gw-1.example"]}, absent=NO_IDENTITY),
    ],
    "POST /v1/admin/device/migrate": [Case("admin", {"step": "begin"}, safe=False)],
    "POST /v1/admin/device/reset": [Case("admin", {"clear_tpm": False}, status=(202,), safe=False)],
    "POST /v1/admin/tpm/accept": [Case("admin", {}, safe=False)],
}


def cases(operations):
    """Every operation with each of its cases. The document's operations are the law."""
    for operation, described in operations.items():
        for case in RECIPES.get(operation, ()):
            yield operation, described, case


def title(operation, case):
    return f"{operation} ({case.what})" if case.what else operation
