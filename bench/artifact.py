# SPDX-License-Identifier: Apache-2.0
"""P7, version 2: what a payload costs beside its cryptography alone, what wrapping for a fleet costs
the publisher, and what a device key costs the TPM."""

import base64
import json
import re
import subprocess
import time

from kit import BenchError, Chip, Daemon, Worker, take_turns
from report import absolute, at_least, at_most, compare

MIB = 1 << 20
USAGE = "2.25.117605614488763127874438682632241167710"
FLEETS = {"P-256": "ecc-p256", "RSA-2048": "rsa-2048"}


def run(argv, **options):
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise BenchError(f"{argv[0]}: {done.stderr.strip()[-200:]}")
    return done.stdout


def speed(*words):
    """Bytes a second of `openssl speed`, in pieces of a chunk."""
    text = run(["openssl", "speed", "-mr", "-bytes", 65536, "-seconds", 1, *words])
    found = re.findall(r"^\+F:\d+:[^:]+:([\d.]+)$", text, re.M)
    if not found:
        raise BenchError("openssl speed said nothing")
    return float(found[-1])


def alone(size):
    """Microseconds of the cryptography alone: each byte once through both, 1/(1/GCM + 1/SHA-256)."""
    return 1e6 * size * (1 / speed("-decrypt", "-evp", "aes-256-gcm") + 1 / speed("-evp", "sha256"))


def payload(bench, place):
    size = (4 if bench.smoke else 64) * MIB
    file = place.path / "payload"
    ours = Worker(place, [bench.build / "bench/bench_open_v2", size, file])
    figures = take_turns(bench.rounds, {
        "memory": lambda: ours.batch("memory", 1, 3),
        "file": lambda: ours.batch("file", 1, 3),
        "alone": lambda: alone(size),
    })
    ours.close()
    file.unlink()
    for where, goal in (("memory", at_least(0.8)), ("file", None)):
        yield compare("P7", f"v2 payload of {size // MIB} MiB from {where}, digest and all chunks",
                      figures[where], "openssl speed, GCM + SHA-256", figures["alone"], goal,
                      faster=True)


class Publisher:
    def __init__(self, bench, place):
        self.holdfast, self.place = bench.build / "holdfast", place
        self.root = place.folder("v2")
        self.key, self.cert = place.path / "signer.key", place.path / "signer.pem"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=bench", "-days", 2, "-addext", f"extendedKeyUsage={USAGE}",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-addext", "keyUsage=digitalSignature", "-keyout", self.key, "-out", self.cert])

    def artifact(self, verb, name, *words):
        return json.loads(run([
            self.holdfast, "artifact", verb, "--json", "--origin", self.root, "--name", name,
            "--content-key", self.place.path / f"{name}.content", *words,
        ]))

    def publish(self, name, *words):
        plain = self.place.path / "plain"
        plain.write_bytes(b"bench")
        return self.artifact(
            "publish", name, "--format", "v2", "--in", plain, "--version", 1,
            "--sign-key", self.key, "--sign-cert", self.cert, *words,
        )

    def keys(self, published):
        return self.root / "models" / f"{published['manifest']}.keys"


def fleets(bench, place, publisher):
    count = 100 if bench.smoke else 10000
    for words, kind in FLEETS.items():
        folder = place.folder(kind)
        run([bench.build / "bench/bench_fleet", folder, count, kind])
        published = publisher.publish(kind)
        begin = time.monotonic()
        wrapped = publisher.artifact("wrap", kind, "--devices", folder)
        took = time.monotonic() - begin
        if wrapped["devices"] != count:
            raise BenchError(f"wrapped for {wrapped['devices']} devices")
        begin = time.monotonic()
        publisher.artifact("wrap", kind, "--devices", folder)
        again = time.monotonic() - begin
        what = f"wrapping for {count} devices with {words} keys"
        yield absolute("P7", what, took, "s", at_most(30))
        yield absolute("P7", f"{what}, again with none new", again, "s")
        yield absolute("P7", f"{what}: file of keys", publisher.keys(published).stat().st_size / MIB,
                       "MiB")


def unwrapping(bench, place, publisher):
    daemon = Daemon(place, bench.build, Chip(place, "chip-v2").tcti, "daemon-v2")
    daemon.start()
    key = place.path / "device.json"
    key.write_text(json.dumps(daemon.call("GET", "/v1/device/storage-key")))
    line = json.loads(publisher.keys(publisher.publish("one", "--device", key)).read_text())
    body = {part: line[part] for part in ("public", "duplicate", "seed")}
    counts, data = [daemon.commands()], None
    for _ in range(3):
        data = daemon.call("POST", "/v1/unwrap", body)["data"]
        counts.append(daemon.commands())
    if len(base64.b64decode(data)) != 64:
        raise BenchError("no device key came out")
    daemon.stop()
    yield absolute("P7", "TPM commands of the first unwrapping", counts[1] - counts[0], "")
    yield absolute("P7", "TPM commands of the same once more", counts[3] - counts[2], "")


def p7(bench, place):
    yield from payload(bench, place)
    publisher = Publisher(bench, place)
    yield from fleets(bench, place, publisher)
    yield from unwrapping(bench, place, publisher)
