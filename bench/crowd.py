# SPDX-License-Identifier: Apache-2.0
"""P4: eight tenants at once, of which one asks too much."""

import time

from kit import BenchError, Chip, Daemon, Place, Worker
from report import at_least, at_most, compare
from rows import DIGEST

POLITE = 7
FLOOD = 57
# Enough for all the connections, and no limit but that on requests in flight.
TENANT = 'tenant {name} {{ operations = {{"seal", "key", "sign"}}  rate = 0  keys = 0  connections = 128 }}'
MIB = 1 << 20


class Load:
    """Clients in a program of their own (bench/load.c)."""

    def __init__(self, place, build, count, body, targets, octets=False):
        file = place.path / f"load{time.monotonic_ns()}"
        file.write_bytes(body)
        kind = "application/octet-stream" if octets else "application/json"
        argv = [build / "bench/bench_load", count, kind, file]
        for target in targets:
            argv += target
        self.worker = Worker(place, [str(word) for word in argv])
        self.result = None

    def begin(self, what, warm, seconds):
        self.worker.process.stdin.write(f"{what} {warm * 1000:.0f} {seconds * 1000:.0f}\n")

    def end(self, seconds):
        answer = self.worker.line(seconds + 60).split(" ", 5)
        if len(answer) < 5:
            raise BenchError(f"load: {self.worker.why()}")
        count, p50, p99, gap, errors = map(int, answer[:5])
        return {
            "rate": count / seconds, "p50": p50 / 1000, "p99": p99 / 1000, "gap": gap / 1000,
            "errors": errors, "text": " ".join(answer[5:]),
        }


class Crowd:
    """Eight tenants with a key each, and one with eight keys; loads for both."""

    def __init__(self, bench, place):
        self.bench = bench
        names = [f"polite{i}" for i in range(POLITE)] + ["flood", "alone"]
        self.daemon = Daemon(place, bench.build, Chip(place).tcti, extra="\n".join(
            TENANT.format(name=name) for name in names))
        self.daemon.start()
        for name in names:
            self.daemon.await_tenant(name)
        for name in names[:-1]:
            self.make_key(name, "bench")
        for i in range(POLITE + 1):
            self.make_key("alone", f"bench{i}")
        sign = b'{"digest":"' + DIGEST["digest"].encode() + b'"}'
        rsa = b'{"name":"r%08u","type":"rsa-2048"}'

        def load(count, body, name, path, octets=False):
            return Load(place, bench.build, count, body, [(self.daemon.socket_of(name), path)], octets)

        path = "/v1/keys/bench/sign"
        self.polite = Load(place, bench.build, 1, sign,
                           [(self.daemon.socket_of(name), path) for name in names[:POLITE]])
        self.floods = {
            "sign": load(FLOOD, sign, "flood", path),
            "RSA create": load(FLOOD, rsa, "flood", "/v1/keys"),
            "1 MiB bodies": load(FLOOD, bytes(MIB), "flood", "/v1/seal", True),
            "idle connections": load(FLOOD, sign, "flood", path),
        }
        # The same clients and keys in one tenant: 57 of one key, and 7 of one each.
        self.alone = [
            load(FLOOD, sign, "alone", "/v1/keys/bench7/sign"),
            Load(place, bench.build, 1, sign, [
                (self.daemon.socket_of("alone"), f"/v1/keys/bench{i}/sign") for i in range(POLITE)]),
        ]

    def make_key(self, tenant, name):
        self.daemon.call("POST", "/v1/keys", {"name": name, "type": "ecc-p256"},
                         at=self.daemon.socket_of(tenant))

    def seconds(self, full):
        return full / 10 if self.bench.smoke else full / 2 if self.bench.quick else full

    def together(self, loads, seconds, idle=None):
        warm = self.seconds(0.5)
        for load in loads:
            load.begin("idle" if load is idle else "run", 0 if load is idle else warm,
                       warm + seconds if load is idle else seconds)
        results = [load.end(seconds) for load in loads]
        for load, result in zip(loads, results):
            if result["errors"]:
                raise BenchError(f"{result['errors']} errors, such as {result['text']}")
            # Else a polite one who was answered too late to count would have waited 0 us.
            if load is self.polite and result["rate"] == 0:
                raise BenchError("none of the polite was answered in a turn")
        return results


def p4(bench):
    rounds = 1 if bench.smoke else 3 if bench.quick else 5
    with Place() as place:
        crowd = Crowd(bench, place)
        figures = {name: [] for name in ("quiet", "alone", *crowd.floods)}
        for _ in range(rounds):
            seconds = crowd.seconds(2)
            figures["quiet"].append(crowd.together([crowd.polite], seconds)[0])
            figures["alone"].append(crowd.together(crowd.alone, seconds))
            for name, flood in crowd.floods.items():
                idle = flood if name == "idle connections" else None
                # A key of RSA takes the chip as long as a hundred signatures.
                span = crowd.seconds(6) if name == "RSA create" else seconds
                figures[name].append(crowd.together([crowd.polite, flood], span, idle))
    yield from p4_results(figures)


def p4_results(figures):
    quiet = [one["p50"] for one in figures["quiet"]]
    what = f"signatures/s, {POLITE} tenants with 1 client and 1 with {FLOOD}"
    ours, alone = ([sum(one["rate"] for one in both) for both in figures[name]]
                   for name in ("sign", "alone"))
    yield compare("P4", what, ours, "one tenant with all", alone, at_least(0.95), unit="/s")
    for name in ("sign", "RSA create", "1 MiB bodies", "idle connections"):
        p99 = [polite["p99"] for polite, _ in figures[name]]
        long = name == "RSA create"
        bound = [3 * p50 + (longest_command(p50, flood) if long else 0)
                 for p50, (_, flood) in zip(quiet, figures[name])]
        yield compare("P4", f"p99 of the polite, flood by {name}", p99,
                      f"3 x quiet p50{' + longest command' if long else ''} =", bound, at_most(1))
    yield compare("P4", "p50 of the polite, flood by sign", [one["p50"] for one, _ in figures["sign"]],
                  "quiet", quiet)


def longest_command(quiet, flood):
    """Of the flooder: between its answers there are one command of its own and a turn of each of
    the polite, and its queue is never empty. What of a longer turn is theirs counts against us."""
    return max(0, flood["gap"] - quiet)
