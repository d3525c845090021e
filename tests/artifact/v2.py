#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Artifacts of version 2 once more, written from docs/ARTIFACT.md and the TPM 2.0 specification
alone: what is published here must open with Holdfast, and the other way round. Signatures are the
openssl command's. Whatever a hostile publisher or server could change can be changed here, too.

  v2.py certs --out DIR                      ca.pem, signer.pem, signer.key and a stranger's
  v2.py device --out KEY.json --key KEY.pem  a storage key in software
  v2.py publish --origin DIR ..              payload, device keys, manifest
  v2.py key --device KEY.json --content-key FILE   one line of device keys
  v2.py open --manifest FILE --payload FILE --key LINE --device-key KEY.pem --device KEY.json ..
"""

import argparse
import json
import os
import pathlib
import re
import string
import subprocess
import sys
import tempfile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

sys.dont_write_bytecode = True
from duplicate import (  # noqa: E402
    SOFTWARE_BITS, TPM_BITS, Bad, Storage, area_of, b64, duplicate_make, duplicate_open, require,
    sha256, u32, unb64)

USAGE = "2.25.117605614488763127874438682632241167710"
CHUNK = 65536
TAG = 16
HEADER = 48
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
SUFFIXES = (".small", ".big", ".sig", ".manifest", ".payload", ".keys")
MEMBERS = ["holdfast", "folder", "name", "type", "version", "serial", "expires", "min_format",
           "protection", "plain", "payload", "images"]


# --- payload ---


def stream_key(cek, salt, folder, name, serial):
    info = b"holdfast artifact v2 payload\0" + f"{folder}/{name}".encode() + b"\0"
    return HKDF(hashes.SHA256(), 32, salt, info + serial.to_bytes(8, "big")).derive(cek)


def payload_size(plain):
    return HEADER + plain + TAG * max(1, -(-plain // CHUNK))


def payload_header(plain, salt, cipher=1, chunk=16):
    return b"HFV2" + bytes((cipher, chunk, 0, 0)) + plain.to_bytes(8, "big") + salt


def nonce(number, last):
    return bytes(7) + u32(number) + bytes((last,))


def payload_seal(key, header, plain):
    count = max(1, -(-len(plain) // CHUNK))
    gcm = AESGCM(key)
    chunks = (gcm.encrypt(nonce(i, i + 1 == count), plain[i * CHUNK:(i + 1) * CHUNK], header)
              for i in range(count))
    return header + b"".join(chunks)


def payload_open(cek, manifest, payload):
    require(len(payload) == manifest["payload"]["size"], "the payload's size")
    require(sha256(payload).hex() == manifest["payload"]["sha256"], "the payload's digest")
    header, stream = payload[:HEADER], payload[HEADER:]
    size = manifest["plain"]["size"]
    require(header == payload_header(size, header[16:]), "the payload's header")
    key = stream_key(cek, header[16:], manifest["folder"], manifest["name"], manifest["serial"])
    gcm, step, out = AESGCM(key), CHUNK + TAG, []
    count = max(1, -(-size // CHUNK))
    for i in range(count):
        try:
            out.append(gcm.decrypt(nonce(i, i + 1 == count), stream[i * step:(i + 1) * step],
                                   header))
        except InvalidTag:
            raise Bad(f"chunk {i} does not open") from None
    plain = b"".join(out)
    require(len(plain) == size, "the plaintext's size")
    return plain


# --- manifest ---


def openssl(*argv, data=None):
    done = subprocess.run(["openssl", *argv], input=data or b"", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    require(done.returncode == 0, done.stderr.decode(errors="replace").strip())
    return done.stdout


def sign(text, cert, key, md="sha256"):
    return openssl("cms", "-sign", "-binary", "-nodetach", "-nocerts", "-signer", cert,
                   "-certfile", cert, "-inkey", key, "-md", md, "-outform", "DER", data=text)


def verify(der, anchors):
    with tempfile.TemporaryDirectory() as folder:
        signer = os.path.join(folder, "signer.pem")
        text = openssl("cms", "-verify", "-binary", "-inform", "DER", "-CAfile", anchors,
                       "-partial_chain", "-purpose", "any", "-signer", signer, data=der)
        shown = openssl("x509", "-noout", "-ext", "extendedKeyUsage", "-in", signer).decode()
    require(USAGE in re.split(r"[\s,]+", shown), "the signer may not sign manifests")
    return text


def no_twins(pairs):
    require(len({name for name, _ in pairs}) == len(pairs), "a member stands there twice")
    return dict(pairs)


def whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def check_manifest(text):
    require(len(text) <= 32768, "a manifest that is too large")
    m = json.loads(text, object_pairs_hook=no_twins)
    require(m.get("holdfast") == "artifact v2", "of another version")
    require(set(m) <= set(MEMBERS), "a member that is not known")
    require(set(m) >= set(MEMBERS) - {"expires", "images"}, "a member is missing")
    for part, length in (("folder", 255), ("name", 246)):
        require(NAME.fullmatch(m[part]) and len(m[part]) <= length, f"no {part}")
    require(not m["name"].endswith(SUFFIXES), "a name of a part")
    require(m["type"] in ("file", "docker-archive"), "of another type")
    require(m["protection"] in ("tpm", "software"), "of another protection")
    require(m["min_format"] in (1, 2), "of another format")
    version = m["version"]
    require(0 < len(version) <= 128 and all(" " <= c <= "~" for c in version), "no version")
    require(whole(m["serial"], 1, 2**53 - 1), "no serial")
    require("expires" not in m or whole(m["expires"], 1, 2**53 - 1), "no expiry")
    require(set(m["plain"]) == {"size"} and whole(m["plain"]["size"], 0, 2**40), "no size")
    p = m["payload"]
    require(set(p) == {"cipher", "chunk", "size", "sha256"}, "no payload")
    require((p["cipher"], p["chunk"]) == ("AES-256-GCM", CHUNK), "of another cipher")
    require(p["size"] == payload_size(m["plain"]["size"]), "no size of a payload")
    require(re.fullmatch("[0-9a-f]{64}", p["sha256"]), "no digest")
    images = m.get("images")
    require((images is not None) == (m["type"] == "docker-archive"), "images of no archive")
    require(images is None or 1 <= len(images) <= 32, "too many images")
    for image in images or []:
        require(set(image) == {"ref", "id"}, "no image")
        require(re.fullmatch("sha256:[0-9a-f]{64}", image["id"]), "no id")
    return m


def manifest_text(fields):
    """In the one order, without what is None."""
    ordered = {name: fields[name] for name in MEMBERS if fields.get(name) is not None}
    return json.dumps(ordered, separators=(",", ":"))


# --- device keys ---


def key_line(storage, cek, digest, rand=os.urandom):
    public, duplicate, seed = duplicate_make(storage, cek + digest, rand)
    line = {"storage_key": storage.name.hex(), "manifest": digest.hex(), "public": b64(public),
            "duplicate": b64(duplicate), "seed": b64(seed)}
    return json.dumps(line, separators=(",", ":"))


def storage_of(path):
    return Storage(unb64(json.loads(pathlib.Path(path).read_text())["public"]))


def content_key(fields, digest, cek):
    head = {name: fields[name] for name in ("folder", "name", "serial")}
    return json.dumps({"holdfast": "content key v2", **head, "manifest": digest.hex(),
                       "key": b64(cek)}, separators=(",", ":")) + "\n"


def read_content_key(path):
    key = json.loads(pathlib.Path(path).read_text())
    require(key["holdfast"] == "content key v2", "no content key")
    return unb64(key["key"]), bytes.fromhex(key["manifest"])


# --- commands ---


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def change(text, sets, omits):
    """--set PATH=JSON and --omit PATH, with dots between members; new members go last."""
    top = json.loads(text)
    for path, value in [(one, None) for one in omits] + [one.split("=", 1) for one in sets]:
        *way, last = path.split(".")
        node = top
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if value is None:
            del node[last]
        else:
            node[last] = json.loads(value)
    return json.dumps(top, separators=(",", ":"))


def publish(args):
    plain = pathlib.Path(args.input).read_bytes()
    cek = bytes.fromhex(args.cek) if args.cek else os.urandom(32)
    salt = bytes.fromhex(args.salt) if args.salt else os.urandom(32)
    folder, name, serial = args.payload_release or (args.folder, args.name, args.serial)
    header = payload_header(len(plain), salt, args.header_cipher, args.header_chunk)
    payload = payload_seal(stream_key(cek, salt, folder, name, int(serial)), header, plain)
    fields = {
        "holdfast": "artifact v2", "folder": args.folder, "name": args.name, "type": args.type,
        "version": args.version, "serial": args.serial, "expires": args.expires,
        "min_format": args.min_format, "protection": args.protection,
        "plain": {"size": len(plain)},
        "payload": {"cipher": "AES-256-GCM", "chunk": CHUNK, "size": len(payload),
                    "sha256": sha256(payload).hex()},
        "images": [dict(zip(("ref", "id"), one.split("=", 1))) for one in args.image] or None,
    }
    text = string.Template(args.manifest_json).safe_substitute(
        size=len(payload), plain=len(plain), sha256=sha256(payload).hex()
    ) if args.manifest_json else manifest_text(fields)
    if args.set or args.omit:
        text = change(text, args.set, args.omit)
    text = text.encode()
    digest = sha256(text)
    bound = bytes.fromhex(args.bind) if args.bind else digest
    devices = [storage_of(one) for one in args.device]
    lines = sorted(key_line(one, cek, bound) for one in devices)
    base = pathlib.Path(args.origin) / args.folder
    put(base / f"{sha256(payload).hex()}.payload", payload)
    put(base / f"{digest.hex()}.keys", "".join(line + "\n" for line in lines).encode())
    put(base / f"{args.name}.manifest", sign(text, args.sign_cert, args.sign_key, args.md))
    if args.content_key:
        pathlib.Path(args.content_key).write_text(content_key(fields, digest, cek))
        os.chmod(args.content_key, 0o600)
    print(json.dumps({"manifest": digest.hex(), "payload": sha256(payload).hex(),
                      "size": len(payload)}))


def key(args):
    cek, digest = read_content_key(args.content_key)
    bound = bytes.fromhex(args.bind) if args.bind else digest
    print(key_line(storage_of(args.device), cek, bound))


def open_(args):
    text = verify(pathlib.Path(args.manifest).read_bytes(), args.anchors)
    manifest, digest = check_manifest(text), sha256(text)
    require(args.name is None or manifest["name"] == args.name, "of another name")
    require(args.folder is None or manifest["folder"] == args.folder, "of another folder")
    if args.content_key:
        cek, bound = read_content_key(args.content_key)
    else:
        line = json.loads(pathlib.Path(args.key).read_text(), object_pairs_hook=no_twins)
        storage = storage_of(args.device)
        private = serialization.load_pem_private_key(
            pathlib.Path(args.device_key).read_bytes(), None)
        require(set(line) == {"storage_key", "manifest", "public", "duplicate", "seed"}, "no line")
        require(line["storage_key"] == storage.name.hex(), "a line of another device")
        require(line["manifest"] == digest.hex(), "a line of another manifest")
        parts = (unb64(line[part]) for part in ("public", "duplicate", "seed"))
        data = duplicate_open(storage, private, *parts)
        require(len(data) == 64, "no device key")
        cek, bound = data[:32], data[32:]
    require(bound == digest, "a key of another manifest")
    plain = payload_open(cek, manifest, pathlib.Path(args.payload).read_bytes())
    pathlib.Path(args.out).write_bytes(plain)


def write_key(path, private):
    pathlib.Path(path).write_bytes(private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    os.chmod(path, 0o600)


def device(args):
    private = ec.generate_private_key(ec.SECP256R1())
    storage = Storage(area_of(private.public_key(), TPM_BITS if args.fit else SOFTWARE_BITS))
    write_key(args.key, private)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    pathlib.Path(args.out).write_text(json.dumps({
        "type": "ecc-p256", "name": storage.name.hex(), "public": b64(storage.area),
        "pem": pem.decode(), "protection": "tpm" if args.fit else "software"}) + "\n")


def certs(args):
    """A CA, who signs manifests under it, who signs version 1, and a stranger with a CA of his."""
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    for subject, issuer, usage in (
            ("ca", "ca", None), ("signer", "ca", USAGE),
            ("v1", "ca", "2.25.331222883403935337620007880232889463152"),
            ("other-ca", "other-ca", None), ("stranger", "other-ca", USAGE)):
        write_key(folder / f"{subject}.key", ec.generate_private_key(ec.SECP256R1()))
        (folder / "ext").write_text(f"extendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
                                    if usage else "basicConstraints=critical,CA:TRUE\n")
        request = openssl("req", "-new", "-key", folder / f"{subject}.key",
                          "-subj", f"/CN={subject}")
        by = ["-signkey", folder / f"{subject}.key"] if subject == issuer else [
            "-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key",
            "-set_serial", str(int.from_bytes(os.urandom(8), "big"))]
        (folder / f"{subject}.pem").write_bytes(openssl(
            "x509", "-req", "-days", "3650", *by, "-extfile", folder / "ext", data=request))
    (folder / "ext").unlink()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("publish")
    for option in ("origin", "name", "sign-key", "sign-cert"):
        one.add_argument("--" + option, required=True)
    one.add_argument("--in", dest="input", required=True)
    one.add_argument("--folder", default="models")
    one.add_argument("--version", default="1.0")
    one.add_argument("--serial", type=int, default=1)
    one.add_argument("--expires", type=int, help="seconds since 1970")
    one.add_argument("--min-format", type=int, default=2)
    one.add_argument("--protection", default="tpm")
    one.add_argument("--type", default="file")
    one.add_argument("--image", action="append", default=[], help="REF=ID")
    one.add_argument("--device", action="append", default=[], help="the storage key's JSON")
    one.add_argument("--content-key", help="where to write it")
    one.add_argument("--manifest-json",
                     help="the text to sign instead; ${size}, ${plain}, ${sha256} are filled in")
    one.add_argument("--set", action="append", default=[], help="PATH=JSON: changes a member")
    one.add_argument("--omit", action="append", default=[], help="PATH: leaves a member out")
    one.add_argument("--md", default="sha256", help="digest of the signature")
    one.add_argument("--cek", help="hex")
    one.add_argument("--salt", help="hex")
    one.add_argument("--header-cipher", type=int, default=1)
    one.add_argument("--header-chunk", type=int, default=16)
    one.add_argument("--payload-release", nargs=3, metavar=("FOLDER", "NAME", "SERIAL"),
                     help="which the payload's key is bound to instead")
    one.add_argument("--bind", help="hex: which manifest the device keys are of instead")
    one.set_defaults(run=publish)
    one = verbs.add_parser("key")
    one.add_argument("--device", required=True)
    one.add_argument("--content-key", required=True)
    one.add_argument("--bind", help="hex")
    one.set_defaults(run=key)
    one = verbs.add_parser("open")
    for option in ("manifest", "payload", "anchors", "out"):
        one.add_argument("--" + option, required=True)
    for option in ("key", "device", "device-key", "content-key", "folder", "name"):
        one.add_argument("--" + option)
    one.set_defaults(run=open_)
    one = verbs.add_parser("device")
    one.add_argument("--out", required=True)
    one.add_argument("--key", required=True)
    one.add_argument("--fit", action="store_true", help="claims to be in a TPM")
    one.set_defaults(run=device)
    one = verbs.add_parser("certs")
    one.add_argument("--out", required=True)
    one.set_defaults(run=certs)
    return parser.parse_args()


def main():
    args = arguments()
    try:
        args.run(args)
    except (Bad, KeyError, TypeError, ValueError) as fault:
        sys.exit(f"v2.py: {fault!r}")


if __name__ == "__main__":
    main()
