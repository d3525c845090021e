# SPDX-License-Identifier: Apache-2.0
"""P1, P2, P3 and P8: what an operation costs. Each row is a function that yields results."""

import base64

from kit import BenchError, Chip, Counter, Daemon, Place, Worker, awake, http_client, take_turns
from peers import PLAIN, Broker, Fapi, Parsec, Tools, parsec_root
from report import absolute, at_least, at_most, compare, skipped

DIGEST = {"digest": base64.b64encode(PLAIN).decode()}
OURS_US = 75  # what the interface may add to the engine's unseal
SIGN_US = 30  # .. to the chip's signature and an echo


def sums(*lists):
    """Round by round."""
    return [sum(parts) for parts in zip(*lists)]


class Echo:
    def __init__(self, place, build):
        self.place, self.build = place, build
        self.socket = place.path / "echo"
        Worker(place, [build / "bench/bench_echo", self.socket])

    def client(self, body):
        file = self.place.path / f"echo{len(body)}"
        file.write_bytes(body)
        return http_client(self.place, self.build, self.socket, "/", file, octets=True)


class Clients:
    """Our daemon's unseal and sign, through its socket."""

    def __init__(self, daemon):
        daemon.call("POST", "/v1/keys", {"name": "bench", "type": "ecc-p256"})
        self.blob = daemon.call("POST", "/v1/seal", PLAIN, octets=True)
        self.unseal = daemon.client("/v1/unseal", self.blob, octets=True)
        self.sign = daemon.client("/v1/keys/bench/sign", DIGEST)


# --- P1: TPM commands ---


def per_call(daemon, counter, call, count):
    """By our own count, which must be the chip's, once contexts are saved: after the third load."""
    for _ in range(5):
        call()
    ours, seen = daemon.commands(), counter.count
    for _ in range(count):
        call()
    ours, seen = daemon.commands() - ours, counter.count - seen
    if ours != seen:
        raise BenchError(f"/metrics counted {ours} commands, the chip got {seen}")
    return ours / count


def count_ours(bench, place):
    counter = Counter(place, Chip(place, "ours"))
    daemon = Daemon(place, bench.build, counter.tcti)
    daemon.start()
    names = [f"k{i}" for i in range(12)]
    for name in names:
        daemon.call("POST", "/v1/keys", {"name": name, "type": "ecc-p256"})
    blob = daemon.call("POST", "/v1/seal", PLAIN, octets=True)
    calls = {
        "unseal": lambda: daemon.call("POST", "/v1/unseal", blob, octets=True),
        "sign": lambda: daemon.call("POST", "/v1/keys/k0/sign", DIGEST),
        "seal": lambda: daemon.call("POST", "/v1/seal", PLAIN, octets=True),
        "random": lambda: daemon.call("POST", "/v1/random", {"bytes": 32}),
    }
    counts = {name: per_call(daemon, counter, call, 10) for name, call in calls.items()}

    def in_turn():
        for name in names:
            daemon.call("POST", f"/v1/keys/{name}/sign", DIGEST)

    counts["in turn"] = per_call(daemon, counter, in_turn, 3) / len(names)
    return counts


def count_fapi(bench, fapi, counter, *args):
    worker = fapi.worker(bench.build, *args)
    counts = {}
    for name in ("unseal", "sign", "seal", "random"):
        worker.batch(name, 0, 2)
        before = counter.count
        worker.batch(name, 0, 5)
        counts[name] = (counter.count - before) / 5
    return counts


def count_brokered(bench, place, fapi, counter):
    broker = Broker(place, counter.tcti)
    fapi.configure("tabrmd:bus_type=session")
    fapi.extra_env = broker.env
    return count_fapi(bench, fapi, counter)


def p1(bench):
    with Place() as place:
        ours = count_ours(bench, place)
        counter = Counter(place, Chip(place, "peer"), "peer-counter")
        fapi = Fapi(place, counter.tcti)
        peer = count_fapi(bench, fapi, counter, "provision")
        try:
            brokered, why = count_brokered(bench, place, fapi, counter), ""
        except BenchError as reason:
            brokered, why = {}, str(reason)
    for name, goal in (("unseal", 1), ("sign", 1), ("seal", 1), ("random", 0)):
        yield absolute("P1", f"TPM commands per {name}", ours[name], "", at_most(goal),
                       "FAPI", peer[name])
    what = "TPM commands per sign, 12 keys in turn on 3 slots"
    yield absolute("P1", what, ours["in turn"], "", at_most(3))
    for name in ("unseal", "sign"):
        what = f"TPM commands per {name}, peer behind tpm2-abrmd"
        if brokered:
            yield absolute("P1", what, ours[name], "", at_most(1), "FAPI", brokered[name])
        else:
            yield skipped("P1", what, why)


# --- P2: the engine ---


def p2(bench):
    with Place() as place:
        chip = Chip(place)
        limit = Worker(place, [bench.build / "bench/bench_limit", chip.tcti, chip.socket])
        engine = Worker(place, [bench.build / "bench/bench_engine", chip.tcti])
        esys = Worker(place, [bench.build / "bench/bench_esys", chip.tcti])
        n, few = bench.runs(600), bench.runs(40)
        figures = take_turns(bench.rounds, {
            "limit": lambda: limit.batch("unseal", 30, n),
            "engine": lambda: engine.batch("unseal", 30, n),
            "esys": lambda: esys.batch("unseal", 3, few),
            "chip": lambda: limit.batch("chip-unseal", 30, n),
        })
    what = "engine in process, encrypted unseal"
    yield compare("P2", what, figures["engine"], "limit", figures["limit"], at_most(1.25))
    yield compare("P2", what, figures["engine"], "ESYS", figures["esys"], at_least(30), faster=True)
    yield compare("P2", what, figures["engine"], "chip alone", figures["chip"])


# --- P3: the interface ---


def p3_parties(bench, place, chip, fapi, clients):
    limit = Worker(place, [bench.build / "bench/bench_limit", chip.tcti, chip.socket])
    engine = Worker(place, [bench.build / "bench/bench_engine", chip.tcti])
    echo = Echo(place, bench.build)
    echo_unseal = echo.client(clients.blob)
    echo_sign = echo.client(b'{"digest":"' + base64.b64encode(PLAIN) + b'"}')
    in_c, in_python = fapi.worker(bench.build), fapi.python()
    tools = Tools(place, chip)
    n, some, few = bench.runs(400), bench.runs(100), bench.runs(20)

    def alone(worker, name, warm, count):
        chip.flush_objects()
        return worker.batch(name, warm, count)

    return {
        "unseal": lambda: clients.unseal.batch("run", 30, n),
        "engine": lambda: engine.batch("unseal", 30, n),
        "echo": lambda: echo_unseal.batch("run", 30, n),
        "fapi unseal": lambda: alone(in_c, "unseal", 2, few),
        "pytss unseal": lambda: alone(in_python, "unseal", 2, few),
        "tools": tools.unseal,
        "sign": lambda: clients.sign.batch("run", 20, some),
        "raw sign": lambda: alone(limit, "sign-password", 20, some),
        "session sign": lambda: alone(limit, "sign", 20, some),
        "echo sign": lambda: echo_sign.batch("run", 30, n),
        "fapi sign": lambda: alone(in_c, "sign", 2, few),
        "pytss sign": lambda: alone(in_python, "sign", 2, few),
    }


def p3(bench):
    with Place() as place:
        chip = Chip(place)
        fapi = Fapi(place, chip.tcti)
        # First, so that the SRK is its own: one that it finds costs it more commands.
        fapi.worker(bench.build, "provision").close()
        daemon = Daemon(place, bench.build, chip.tcti)
        daemon.start()
        clients = Clients(daemon)
        parties = p3_parties(bench, place, chip, fapi, clients)
        f = take_turns(bench.rounds, parties)
        names = ("sign", "raw sign", "echo sign")
        with awake():
            a = take_turns(bench.rounds, {name: parties[name] for name in names})
    what = "unseal through the socket"
    bound = [us + OURS_US for us in f["engine"]]
    yield compare("P3", what, f["unseal"], f"engine + {OURS_US} us =", bound, at_most(1))
    for name, peer, goal in (
        ("echo (libmicrohttpd)", "echo", None), ("FAPI", "fapi unseal", at_least(30)),
        ("pytss", "pytss unseal", None), ("tpm2-tools", "tools", None),
    ):
        yield compare("P3", what, f["unseal"], name, f[peer], goal, faster=peer != "echo")
    what = "ECDSA sign through the socket"
    bound = [us + SIGN_US for us in sums(f["raw sign"], f["echo sign"])]
    yield compare("P3", what, f["sign"], f"raw Sign + echo + {SIGN_US} us =", bound, at_most(1))
    awake_bound = [us + SIGN_US for us in sums(a["raw sign"], a["echo sign"])]
    yield compare("P3", f"{what}, processors kept awake", a["sign"],
                  f"raw Sign + echo + {SIGN_US} us =", awake_bound, at_most(1))
    yield compare("P3", what, f["sign"], "Sign in a session, limit", f["session sign"])
    yield compare("P3", what, f["sign"], "FAPI", f["fapi sign"], at_least(15), faster=True)
    yield compare("P3", what, f["sign"], "pytss", f["pytss sign"], faster=True)
    yield from p3_parsec(bench, what)


def p3_parsec(bench, what):
    goal = at_least(15)
    try:
        root = parsec_root(bench.parsec_root)
    except BenchError as reason:
        yield skipped("P3", what, f"Parsec, {reason}", goal[0])
        return
    with Place() as place, Place(root / "tmp") as shared:
        parsec = Parsec(shared, root, bench.build)
        bench.versions["parsec-service"] = parsec.version()
        daemon = Daemon(place, bench.build, Chip(place).tcti)
        daemon.start()
        clients = Clients(daemon)
        few = bench.runs(20)
        f = take_turns(bench.rounds, {
            "ours": lambda: clients.sign.batch("run", 20, bench.runs(100)),
            "parsec": lambda: parsec.worker.batch("sign", 2, few),
        })
    yield compare("P3", what, f["ours"], "Parsec", f["parsec"], goal, faster=True)


# --- P8: software ---


def p8(bench):
    with Place() as place:
        daemon = Daemon(place, bench.build)
        daemon.start()
        clients = Clients(daemon)
        echo = Echo(place, bench.build)
        echo_unseal = echo.client(clients.blob)
        echo_sign = echo.client(b'{"digest":"' + base64.b64encode(PLAIN) + b'"}')
        soft = Worker(place, [bench.build / "bench/bench_soft"])
        n = bench.runs(600)
        f = take_turns(bench.rounds, {
            "unseal": lambda: clients.unseal.batch("run", 30, n),
            "sign": lambda: clients.sign.batch("run", 30, n),
            "echo unseal": lambda: echo_unseal.batch("run", 30, n),
            "echo sign": lambda: echo_sign.batch("run", 30, n),
            "soft unseal": lambda: soft.batch("unseal", 30, n),
            "soft sign": lambda: soft.batch("sign", 30, n),
        })
    for name in ("unseal", "sign"):
        bound = [us + SIGN_US for us in sums(f[f"soft {name}"], f[f"echo {name}"])]
        yield compare("P8", f"legacy {name} through the socket", f[name],
                      f"in process + echo + {SIGN_US} us =", bound, at_most(1))
        yield compare("P8", f"legacy {name} through the socket", f[name], "echo", f[f"echo {name}"])
