# SPDX-License-Identifier: Apache-2.0
"""P9 and P10: the daemon at rest, and with many keys."""

import subprocess
import time

from kit import BenchError, Chip, Daemon, Place, median, smaps, switches, take_turns
from peers import Parsec, parsec_root
from report import absolute, at_most, compare, skipped
from rows import DIGEST, Clients

MANY = 100_000
TENANT_KEYS = 10


# --- P9 ---


class Rest:
    """A daemon that has worked and has nothing to do; begun early, read when the time has passed,
    so that other rows can be measured meanwhile."""

    def __init__(self, bench, place):
        self.bench = bench
        self.daemon = Daemon(place, bench.build, Chip(place).tcti)
        self.starts = [self.daemon.start()]
        clients = Clients(self.daemon)
        clients.unseal.batch("run", 0, 200)
        clients.sign.batch("run", 0, 200)
        for _ in range(1 if bench.smoke else 6):
            self.daemon.stop()
            self.starts.append(self.daemon.start())
        for _ in range(20):
            self.daemon.call("POST", "/v1/unseal", clients.blob, octets=True)
            self.daemon.call("POST", "/v1/keys/bench/sign", DIGEST)
        time.sleep(1.5)  # no condition to wait for: it is the rest itself that begins
        self.memory = smaps(self.daemon.process.pid)
        self.begin, self.before = time.monotonic(), switches(self.daemon.process.pid)

    def wakeups(self):
        left = self.begin + self.bench.rest_s - time.monotonic()
        if left > 0:
            time.sleep(left)
        return switches(self.daemon.process.pid) - self.before, time.monotonic() - self.begin


def stripped_size(build):
    with Place() as place:
        copy = place.path / "holdfastd"
        subprocess.run(["strip", "-o", copy, build / "holdfastd"], check=True)
        return copy.stat().st_size


def p9(bench, rest):
    peer, why = parsec_rest(bench)
    count, seconds = rest.wakeups()

    def beside(name, factor=1):
        return ("Parsec", round(peer[name] * factor, 2)) if peer else ()

    for name, what, goal in (("Private_Dirty", "private dirty", 3), ("Rss", "resident", 12)):
        yield absolute("P9", f"at rest: {what}", rest.memory[name] / 1024, "MiB", at_most(goal),
                       *beside(name, 1 / 1024))
    yield absolute("P9", f"at rest: wake-ups in {seconds:.0f} s", count, "", at_most(0),
                   *beside("wakeups", round(seconds)))
    if why:
        yield skipped("P9", "at rest", f"Parsec, {why}")
    for i, what in ((0, "it says READY"), (1, "the provider is ready")):
        ms = median([start[i] for start in rest.starts[1:]]) / 1000
        yield absolute("P9", f"start until {what}", ms, "ms", at_most(50))
    yield from p9_probe(bench)
    yield absolute("P9", "size of holdfastd, stripped", stripped_size(bench.build) / 1024, "KiB",
                   at_most(400))


def p9_probe(bench):
    """The same without FAPI's probe, which is a process of its own."""
    with Place() as place:
        daemon = Daemon(place, bench.build, Chip(place).tcti, extra="fapi { probe = false }")
        daemon.start()
        starts = []
        for _ in range(1 if bench.smoke else 6):
            daemon.stop()
            starts.append(daemon.start())
    yield absolute("P9", "start until the provider is ready, fapi { probe = false }",
                   median([start[1] for start in starts]) / 1000, "ms", at_most(50))


def parsec_rest(bench):
    """Its memory, and wake-ups per second; or nothing and why."""
    try:
        root = parsec_root(bench.parsec_root)
        with Place(root / "tmp") as shared:
            parsec = Parsec(shared, root, bench.build)
            parsec.worker.batch("sign", 2, 5)
            pid = parsec.process.pid
            begin, before = time.monotonic(), switches(pid)
            time.sleep(2)
            rate = (switches(pid) - before) / (time.monotonic() - begin)
            return smaps(pid) | {"wakeups": rate}, ""
    except BenchError as reason:
        return {}, str(reason)


# --- P10 ---


def filled(bench, place, name, count, real, chip=None, tenants=0, run=None):
    """A running daemon with so many keys, of which the first @real can sign; with @tenants, of so
    many tenants with so many keys each."""
    daemon = Daemon(place, bench.build, chip.tcti if chip else None, name, run=run)
    daemon.start()
    daemon.stop()
    done = subprocess.run(
        [bench.build / "bench/bench_keys", daemon.state, chip.tcti if chip else "-", "0",
         str(count), str(min(real, count)), *([str(tenants)] if tenants else [])],
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise BenchError(done.stderr.strip())
    daemon.configure("\n".join(f"tenant t{i:04} {{ rate = 0 }}" for i in range(tenants)))
    daemon.start()
    return daemon


def hot(daemon, tenant=""):
    at = daemon.socket_of(tenant) if tenant else None
    return daemon.client("/v1/keys/k00000/sign", DIGEST, at=at)


def p10(bench):
    many = MANY if not bench.smoke else 2000
    with Place() as place:
        yield from p10_software(bench, place, many)
    with Place() as place:
        yield from p10_chip(bench, place, many)
    with Place() as place, Place("/dev/shm") as memory:
        yield from p10_tenants(bench, place, memory)


def p10_software(bench, place, many):
    sizes = sorted({10, many // 100, many})
    daemons = {size: filled(bench, place, f"d{size}", size, 1000) for size in sizes}
    clients = {size: hot(daemons[size]) for size in sizes}
    n = bench.runs(400)
    f = take_turns(bench.rounds, {
        size: lambda client=clients[size]: client.batch("run", 30, n) for size in sizes
    })
    for size in sizes[1:]:
        yield compare("P10", f"legacy sign with a hot key, {size:,} stored", f[size], "10 stored",
                      f[10], at_most(1.10))
    dirty = {size: smaps(daemons[size].process.pid)["Private_Dirty"] for size in sizes}
    more = max(0, dirty[many] - dirty[10]) * 1024  # the kernel counts in pages: it may be less
    yield absolute("P10", "private dirty per idle key", more / (many - 10), "B", at_most(200))


def p10_chip(bench, place, many):
    real = bench.runs(4000)
    few_chip, many_chip = Chip(place, "c10"), Chip(place, "cmany")
    few = filled(bench, place, "few", 10, 10, few_chip)
    lots = filled(bench, place, "lots", many, real, many_chip)
    clients = {"few": hot(few), "lots": hot(lots)}
    n = bench.runs(150)
    f = take_turns(bench.rounds, {
        name: lambda client=client: client.batch("run", 30, n) for name, client in clients.items()
    })
    yield compare("P10", f"TPM sign with a hot key, {many:,} stored", f["lots"], "10 stored", f["few"],
                  at_most(1.10))
    scattered = lots.client("/v1/keys/k%05u/sign", DIGEST, many=real)
    scattered.batch("run", 0, 20)
    before = lots.commands()
    scattered.batch("run", 0, n)
    yield absolute("P10", f"TPM commands per sign, random one of {real:,} keys",
                   (lots.commands() - before) / n, "", at_most(3))
    starts = []
    for _ in range(1 if bench.smoke else 5):
        lots.stop()
        starts.append(lots.start()[1])
    yield absolute("P10", f"start with {many:,} keys", median(starts) / 1e6, "s", at_most(1))


def p10_tenants(bench, place, memory):
    sizes = [1, 8, 64] if bench.smoke else [1, 64, 1024]
    most = sizes[-1]
    chips = {size: Chip(place, f"ct{size}") for size in sizes}
    daemons = {
        size: filled(bench, place, f"t{size}", TENANT_KEYS, 1, chips[size], size,
                     memory.folder(f"t{size}")) for size in sizes
    }
    for size in sizes:
        daemons[size].await_tenant(f"t{size - 1:04}")
    time.sleep(0.5)  # no condition to wait for: it is the rest after the start
    dirty = {size: smaps(daemons[size].process.pid)["Private_Dirty"] for size in sizes}
    clients = {size: hot(daemons[size], "t0000") for size in sizes}
    n = bench.runs(150)
    f = take_turns(bench.rounds, {
        size: lambda client=clients[size]: client.batch("run", 30, n) for size in sizes
    })
    for size in sizes[1:]:
        yield compare("P10", f"TPM sign with a hot key, {size:,} tenants with {TENANT_KEYS} keys each",
                      f[size], "1 tenant", f[1], at_most(1.10))
    starts = {size: [] for size in sizes}
    for _ in range(1 if bench.smoke else 5):
        for size in sizes:
            daemons[size].stop()
            begin = time.monotonic()
            daemons[size].start()
            daemons[size].await_tenant(f"t{size - 1:04}")
            starts[size].append(time.monotonic() - begin)
    for size in sizes:
        yield absolute("P10", f"start with {size:,} tenants until the last is served",
                       median(starts[size]), "s", at_most(1))
    more = max(0, dirty[most] - dirty[1]) * 1024
    yield absolute("P10", f"private dirty per idle tenant with {TENANT_KEYS} keys",
                   more / (most - 1), "B")
