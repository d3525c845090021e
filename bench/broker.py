# SPDX-License-Identifier: Apache-2.0
"""P5: what raw commands of a tenant cost, beside the bare chip and tpm2-abrmd on the same chip."""

import os
import pathlib
import shutil
import subprocess
import time

from kit import BenchError, Chip, Daemon, Place, Worker, awake, median, take_turns
from peers import Broker, Fapi
from report import absolute, at_least, at_most, compare, skipped

TENANT = 'tenant t { broker = "standard" rate = 0 }'
THIRD = 0.3333
PIN = "654321"
MODULES = ("/usr/lib/*/pkcs11/libtpm2_pkcs11.so", "/usr/lib/*/libtpm2_pkcs11.so*")


class Way:
    """One of the ways to the chip. Where nothing manages its slots, it is emptied before a turn."""

    def __init__(self, chip, tcti, env=None, ours=False):
        self.chip, self.tcti, self.env, self.ours = chip, tcti, env or {}, ours

    def turn(self, worker, operation, warm, count):
        self.clear()
        return worker.batch(operation, warm, count)

    def clear(self):
        if not self.ours:
            self.chip.flush_objects()


def ways(place, chip, daemon):
    """By name; without tpm2-abrmd where that is not installed, and then the reason."""
    found = {
        "ours": Way(chip, f"swtpm:path={daemon.raw_socket_of('t')}", ours=True),
        "bare": Way(chip, chip.tcti),
    }
    try:
        broker = Broker(place, chip.tcti)
        found["abrmd"] = Way(chip, "tabrmd:bus_type=session", broker.env)
        return found, ""
    except BenchError as reason:
        return found, str(reason)


def minus(figures, base):
    return [a - b for a, b in zip(figures, base)]


# --- one command ---


def added_of(what, figures, goal, why):
    ours = minus(figures["ours"], figures["bare"])
    if why:
        yield skipped("P5", what, why, goal[0] if goal else "")
    else:
        yield compare("P5", what, ours, "tpm2-abrmd", minus(figures["abrmd"], figures["bare"]), goal)
    yield compare("P5", what, ours, "the command, bare", figures["bare"])


def added(bench, place, all_ways, why):
    workers = {
        name: Worker(place, [bench.build / "bench/bench_raw", way.tcti], env=way.env)
        for name, way in all_ways.items()
    }
    n = bench.runs(400)

    def turns(operation):
        return take_turns(bench.rounds, {
            name: lambda name=name: all_ways[name].turn(workers[name], operation, 20, n)
            for name in workers
        })

    goal = at_most(THIRD)
    yield from added_of("added to a raw command", turns("random"), goal, why)
    with awake():
        figures = turns("random")
    yield from added_of("added to a raw command, processors kept awake", figures, goal, why)
    yield from added_of("added to a raw command on an object", turns("public"), None, why)
    for worker in workers.values():
        worker.close()


# --- FAPI ---


def fapi_unseal(bench, fapi, daemon, all_ways):
    workers = {}
    for name, way in all_ways.items():
        fapi.configure(way.tcti)
        fapi.extra_env = way.env
        way.clear()
        workers[name] = fapi.worker(bench.build)
    n = bench.runs(20)
    f = take_turns(bench.rounds, {
        name: lambda name=name: all_ways[name].turn(workers[name], "unseal", 2, n)
        for name in workers
    })
    before = daemon.commands()
    workers["ours"].batch("unseal", 0, 10)
    yield absolute("P5", "TPM commands per FAPI unseal", (daemon.commands() - before) / 10, "",
                   at_most(6))
    yield compare("P5", "FAPI unseal", f["ours"], "bare chip", f["bare"], at_most(1.1))
    if "abrmd" in f:
        yield compare("P5", "FAPI unseal", f["ours"], "tpm2-abrmd", f["abrmd"])
    for worker in workers.values():
        worker.close()


# --- one connection for all commands, where libtss2-tcti-swtpm makes one for each ---

# At least this much of the time must be left, else a TCTI of our own would be worth it.
WORTH = 0.7


def kept(bench, place, fapi, daemon):
    path = daemon.raw_socket_of("t")
    tctis = {
        "each": f"swtpm:path={path}", "kept": f"{bench.build}/bench/libbench_tcti_kept.so:{path}",
    }
    raw, unseal = {}, {}
    for name, tcti in tctis.items():
        raw[name] = Worker(place, [bench.build / "bench/bench_raw", tcti])
        fapi.configure(tcti)
        fapi.extra_env = {}
        unseal[name] = fapi.worker(bench.build)
    for what, workers, operation, n in (
        ("GetRandom, a kept connection", raw, "random", bench.runs(400)),
        ("Sign with P-256, a kept connection", raw, "sign", bench.runs(100)),
        ("FAPI unseal, a kept connection", unseal, "unseal", bench.runs(20)),
    ):
        f = take_turns(bench.rounds, {
            name: lambda worker=worker: worker.batch(operation, 3, n)
            for name, worker in workers.items()
        })
        goal = None if operation == "random" else at_least(WORTH)
        yield compare("P5", what, f["kept"], "one for each command", f["each"], goal)
    for worker in (*raw.values(), *unseal.values()):
        worker.close()


# --- tpm2-pkcs11 ---


def module():
    for pattern in MODULES:
        found = sorted(pathlib.Path("/").glob(pattern[1:]))
        if found and shutil.which("pkcs11-tool"):
            return found[0]
    raise BenchError("tpm2-pkcs11 or opensc is not installed")


class Token:
    """tpm2-pkcs11 with a store of its own, made by the way that it is used by."""

    def __init__(self, place, name, way):
        self.way, self.folder = way, place.folder(f"token-{name}")
        self.env = {
            **os.environ, **way.env, "TPM2_PKCS11_STORE": str(self.folder), "TSS2_LOG": "all+none",
            "TPM2_PKCS11_TCTI": way.tcti, "TPM2_PKCS11_LOG_LEVEL": "0",
        }
        self.module = module()
        (self.folder / "digest").write_bytes(b"thirty-two bytes that are signed")
        self.tool("--init-token", "--slot-index", "0", "--label", "t", "--so-pin", "123456")
        self.tool("--token-label", "t", "--init-pin", "--login", "--login-type", "so", "--so-pin",
                  "123456", "--pin", PIN)
        self.logged("--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--usage-sign")

    def tool(self, *argv):
        self.way.clear()
        done = subprocess.run(
            ["pkcs11-tool", "--module", self.module, *argv], cwd=self.folder, env=self.env,
            capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise BenchError(f"pkcs11-tool by {self.way.tcti}: {done.stderr.strip()[-200:]}")

    def logged(self, *argv):
        self.tool("--token-label", "t", "--login", "--pin", PIN, *argv)

    def sign(self):
        """Microseconds of a whole process."""
        self.way.clear()
        begin = time.monotonic_ns()
        self.logged("--sign", "--id", "01", "--mechanism", "ECDSA", "-i", "digest", "-o", "sig")
        return (time.monotonic_ns() - begin) / 1000

    def signs(self, count):
        return median([self.sign() for _ in range(count)])


def pkcs11_sign(bench, place, daemon, all_ways):
    tokens = {name: Token(place, name, way) for name, way in all_ways.items()}
    few = bench.runs(12)
    f = take_turns(bench.rounds, {
        name: lambda token=token: token.signs(few) for name, token in tokens.items()
    })
    before = daemon.commands()
    for _ in range(5):
        tokens["ours"].sign()
    what = "TPM commands per tpm2-pkcs11 sign, a process"
    yield absolute("P5", what, (daemon.commands() - before) / 5, "", at_most(12))
    yield compare("P5", "tpm2-pkcs11 sign, a process", f["ours"], "bare chip", f["bare"], at_most(1.1))
    if "abrmd" in f:
        yield compare("P5", "tpm2-pkcs11 sign, a process", f["ours"], "tpm2-abrmd", f["abrmd"])


def p5(bench):
    with Place() as place:
        chip = Chip(place)
        fapi = Fapi(place, chip.tcti)
        # First, so that the SRK is its own: one that it finds costs it more commands.
        fapi.worker(bench.build, "provision").close()
        daemon = Daemon(place, bench.build, chip.tcti, extra=TENANT)
        daemon.start()
        daemon.await_tenant("t")
        all_ways, why = ways(place, chip, daemon)
        yield from added(bench, place, all_ways, why)
        for part in (
            lambda: kept(bench, place, fapi, daemon),
            lambda: fapi_unseal(bench, fapi, daemon, all_ways),
            lambda: pkcs11_sign(bench, place, daemon, all_ways),
        ):
            try:
                yield from part()
            except BenchError as reason:
                yield skipped("P5", "a part of this row", str(reason))
