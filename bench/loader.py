# SPDX-License-Identifier: Apache-2.0
"""P7: what a loaded resource costs: opening it whole, a small one at the front, memory for a large
one."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import artifact
from kit import BenchError, Place, Worker, http_client, take_turns, wait_for
from report import absolute, at_least, at_most, compare

EMAIL, PASSWORD = "bench@example.net", "made up"
SALTS = {"prefix": "Bench", "hw": "hw salt", "api": "api salt", "resource": "resource salt"}
MIB = 1 << 20
PIECE = 256 << 10


def fleet_key():
    text = base64.b64encode(hashlib.sha384(SALTS["resource"].encode()).digest())
    return hashlib.sha256(text).hexdigest()


def run(argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{argv[0]}: {done.stderr.strip()[-200:]}")


class Front(http.client.HTTPConnection):
    """On the loader's Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(600)
        self.sock.connect(str(self.path))


class Site:
    """An origin, what is published on it, and a loader."""

    def __init__(self, place, build):
        self.place, self.build = place, build
        self.root = place.folder("origin")
        self.users = self.secret_file("users", f"{EMAIL}:{PASSWORD}\n")
        self.salts = self.secret_file(
            "salts", "".join(f'{name} = "{salt}"\n' for name, salt in SALTS.items())
        )
        self.socket = place.path / "front"

    def secret_file(self, name, text):
        path = self.place.path / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def publish(self, name, size):
        """Zeros, which take no room until they are sealed."""
        plain = self.place.path / "plain"
        with open(plain, "wb") as file:
            file.truncate(size)
        run([self.build / "holdfast", "artifact", "publish", "--format", "v1", "--name", name,
             "--in", plain, "--origin", self.root, "--salts", self.salts])
        plain.unlink()

    def begin(self, name, argv):
        """Starts it and waits for what it says when it listens."""
        log = self.place.path / f"{name}.log"
        with open(log, "w", encoding="utf-8") as errors:
            env = {key: value for key, value in os.environ.items() if key != "SECURITY_PROVIDER"}
            process = self.place.spawn(argv, stderr=errors, env=env)

        def listening():
            if process.poll() is not None:
                raise BenchError(f"{name} ended: {log.read_text().strip()[-200:]}")
            return re.search(r"listening on (\S+)", log.read_text())

        return process, wait_for(name, 20, listening).group(1)

    def start(self):
        _, address = self.begin("origin", [
            self.build / "holdfast-origin", "--root", self.root, "--listen", "127.0.0.1:0",
            "--users", self.users, "--salts", self.salts,
        ])
        fingerprint = self.secret_file("fingerprint", "CPU: a. GPU: b. Memory: 1. DriveSerial: c\n")
        config = self.secret_file("conf", (
            f'listen = "unix:{self.socket}"\nhosts = {{ "h", "localhost" }}\ndev = true\n'
            f'api_url = "http://{address}"\ncdn_url = "http://{address}/cdn"\n'
            f'cache_dir = "{self.place.folder("cache")}"\nsalts_file = "{self.salts}"\n'
            f'fingerprint_file = "{fingerprint}"\nholdfast_socket = "{self.place.path}/none"\n'
        ))
        self.loader, _ = self.begin("loader", [self.build / "holdfast-loader", "--config", config])
        self.ask("/login", {"email": EMAIL, "password": PASSWORD})

    def ask(self, path, body):
        """Bytes of the answer, which are read and thrown away."""
        front = Front(self.socket)
        front.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = front.getresponse()
        if answer.status != 200:
            raise BenchError(f"{path}: {answer.status} {answer.read(200)}")
        count = 0
        while piece := answer.read(PIECE):
            count += len(piece)
        front.close()
        return count

    def load(self, name):
        return self.ask(f"/load/{name}", {"filename": name, "folder": "models"})

    def peak_kb(self):
        text = pathlib.Path(f"/proc/{self.loader.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1))


def timed(*commands):
    begin = time.monotonic_ns()
    for command in commands:
        run(command)
    return (time.monotonic_ns() - begin) / 1000


def whole_open(bench, site):
    size = (4 if bench.smoke else 64 if bench.quick else 256) * MIB
    site.publish("whole", size)
    small, big = site.root / "models/whole.small", site.root / "models/whole.big"
    blob, cipher = site.place.path / "blob", site.place.path / "cipher"
    blob.write_bytes(small.read_bytes() + big.read_bytes())
    cipher.write_bytes(blob.read_bytes()[16:])
    iv = blob.read_bytes()[:16].hex()
    ours = Worker(site.place, [bench.build / "bench/bench_open", fleet_key(), small, big])
    digest = ["openssl", "dgst", "-sha256", blob]
    decrypt = ["openssl", "enc", "-d", "-aes-256-cbc", "-K", fleet_key(), "-iv", iv, "-in", cipher,
               "-out", "/dev/null"]
    figures = take_turns(bench.rounds, {
        "ours": lambda: ours.batch("open", 1, 1),
        "once": lambda: timed(digest, decrypt),
        "twice": lambda: timed(digest, digest, decrypt),
    })
    ours.close()
    blob.unlink()
    cipher.unlink()
    what = f"v1 resource of {size // MIB} MiB opened whole, both passes"
    yield compare("P7", what, figures["ours"], "openssl dgst + enc -d", figures["once"],
                  at_least(0.9), faster=True)
    yield compare("P7", what, figures["ours"], "openssl dgst twice + enc -d", figures["twice"],
                  faster=True)


def small_load(bench, site):
    site.publish("small", 3072)
    site.load("small")
    body = site.place.path / "body"
    body.write_text('{"filename":"small","folder":"models"}')
    client = http_client(site.place, bench.build, site.socket, "/load/small", body)
    median, p99 = client.spread("run", 30, bench.runs(2000))
    what = "F2 of 3 KiB from warm cache, the API on the same machine"
    yield absolute("P7", f"{what}, median", median / 1000, "ms", at_most(2))
    yield absolute("P7", f"{what}, 99 of 100", p99 / 1000, "ms")


def memory(bench, site):
    size = (16 if bench.smoke else 256 if bench.quick else 4096) * MIB
    site.publish("large", size)
    begin = time.monotonic()
    if site.load("large") != size:
        raise BenchError("the large resource came short")
    took = time.monotonic() - begin
    what = f"F2 of {size // MIB} MiB, downloaded, checked and given out"
    yield absolute("P7", f"{what}: peak of memory", site.peak_kb() / 1024, "MiB", at_most(32))
    yield absolute("P7", f"{what}: MiB/s in all", size / MIB / took, "")


def p7(bench):
    with Place() as place:
        site = Site(place, bench.build)
        yield from whole_open(bench, site)
        site.start()
        yield from small_load(bench, site)
        yield from memory(bench, site)
    with Place() as place:
        yield from artifact.p7(bench, place)
