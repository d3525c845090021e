#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The clients of the random test: many keys and secrets, used at random, on a chip of few slots.

usage: clients.py SOCKET PID SECONDS [SEED]

Makes the keys and secrets, then several clients sign and read at random. Every answer must be the
right one: a lack of room in the chip is the daemon's to solve and reaches nobody. Prints one line:
operations, TPM commands for each, and how the daemon's memory grew. PID is the daemon's.
"""

import base64
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

KEYS = 40
SECRETS = 40
CLIENTS = 4
VERIFY_EVERY = 16  # signatures are verified by a program, which takes longer than signing
GROWTH_MAX = 8192  # KiB; what allocators keep for themselves is far less
MESSAGE = b"a message to be signed"


class Connection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Failure(Exception):
    """An answer that was not the right one."""


def call(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status not in (200, 201):
        raise Failure(f"{method} {path}: {answer.status} {content[:300]!r}")
    return content


def call_json(connection, method, path, value=None):
    body = None if value is None else json.dumps(value)
    headers = {"Content-Type": "application/json"} if body else {}
    return json.loads(call(connection, method, path, body, headers))


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise Failure("the daemon is gone")


class Run:
    """What the clients share."""

    def __init__(self, path, seed, folder):
        self.path, self.seed, self.folder = path, seed, folder
        self.secrets = {}
        self.ends = 0.0
        self.lock = threading.Lock()
        self.signed = self.read = self.verified = 0
        self.failures = []

    def commands(self):
        return int(call_json(Connection(self.path), "GET", "/v1/status")["tpm"]["commands"])

    def make(self):
        connection, dice = Connection(self.path), random.Random(self.seed)
        for number in range(KEYS):
            made = call_json(
                connection, "POST", "/v1/keys", {"name": f"key-{number}", "type": "ecc-p256"}
            )
            with open(f"{self.folder}/{number}.pem", "w", encoding="ascii") as pem:
                pem.write(made["public"])
        for number in range(SECRETS):
            # Mostly sealed directly, some by envelope.
            content = dice.randbytes(3000 if number % 10 == 0 else dice.randint(1, 128))
            octets = {"Content-Type": "application/octet-stream"}
            call(connection, "PUT", f"/v1/secrets/secret-{number}", content, octets)
            self.secrets[number] = content

    def sign(self, connection, dice, client):
        number = dice.randrange(KEYS)
        answer = call_json(
            connection,
            "POST",
            f"/v1/keys/key-{number}/sign",
            {"message": base64.b64encode(MESSAGE).decode()},
        )
        with self.lock:
            self.signed += 1
            verify = self.signed % VERIFY_EVERY == 0
            self.verified += verify
        if verify:
            self.verify(number, base64.b64decode(answer["signature"]), client)

    def verify(self, number, signature, client):
        path = f"{self.folder}/signature.{client}"
        with open(path, "wb") as file:
            file.write(signature)
        pem = f"{self.folder}/{number}.pem"
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", pem, "-signature", path],
            input=MESSAGE,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failure(f"a signature by key-{number} does not verify")

    def get(self, connection, dice):
        number = dice.randrange(SECRETS)
        octets = {"Accept": "application/octet-stream"}
        content = call(connection, "GET", f"/v1/secrets/secret-{number}", None, octets)
        if content != self.secrets[number]:
            raise Failure(f"secret-{number} is read as something else")
        with self.lock:
            self.read += 1

    def client(self, number):
        connection, dice = Connection(self.path), random.Random(f"{self.seed}.{number}")
        try:
            while time.monotonic() < self.ends and not self.failures:
                if dice.random() < 0.5:
                    self.sign(connection, dice, number)
                else:
                    self.get(connection, dice)
        except (Failure, OSError, http.client.HTTPException, ValueError) as failure:
            self.failures.append(f"{type(failure).__name__}: {failure}")

    def clients(self, seconds):
        self.ends = time.monotonic() + seconds
        threads = [threading.Thread(target=self.client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise Failure("; ".join(self.failures))


def soak(path, pid, seconds, seed, folder):
    run = Run(path, seed, folder)
    run.make()
    run.clients(seconds / 5)  # caches and pools fill
    before, commands, done = resident_kib(pid), run.commands(), run.signed + run.read
    run.clients(seconds * 4 / 5)
    operations, commands = run.signed + run.read - done, run.commands() - commands
    grown = resident_kib(pid) - before
    print(
        f"random test: {KEYS} keys and {SECRETS} secrets for {seconds:.0f} s, {CLIENTS} clients, "
        f"{operations} operations, {commands / operations:.2f} TPM commands each "
        f"({commands / operations - 1:.2f} extra), {run.verified} signatures verified; "
        f"{before} KiB resident, grown by {grown} KiB"
    )
    if grown > GROWTH_MAX:
        raise Failure(f"the daemon grew by {grown} KiB")


def main():
    path, pid, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else os.getpid()
    with tempfile.TemporaryDirectory() as folder:
        try:
            soak(path, pid, seconds, seed, folder)
        except Failure as failure:
            sys.exit(f"random test: seed {seed}: {failure}")


main()
