# SPDX-License-Identifier: Apache-2.0
"""P6: TLS 1.3 handshakes of a server whose key is in the TPM, by the OpenSSL module, beside signing
alone by the same daemon, the same server with a key in a file, and tpm2-openssl through
tpm2-abrmd."""

import os
import re
import subprocess
import time

from kit import BenchError, Chip, Counter, Daemon, Place, take_turns, wait_for
from peers import Broker
from report import absolute, at_least, at_most, compare, skipped

CONFIG = """openssl_conf = top
[top]
providers = providers
[providers]
default = of_default
holdfast = of_holdfast
[of_default]
activate = 1
[of_holdfast]
module = {module}
activate = 1
[req]
distinguished_name = name
[name]
"""


class Server:
    """openssl s_server with a key that its environment makes it find."""

    def __init__(self, place, name, options, env):
        self.folder, self.env = place.folder(name), {**os.environ, **env}
        self.certificate, self.socket = self.folder / "crt", self.folder / "s"
        self.options = options
        self.openssl("req", "-new", "-x509", *options, "-subj", "/CN=localhost", "-days", "30",
                     "-out", self.certificate)
        place.spawn(
            ["openssl", "s_server", "-unix", self.socket, "-cert", self.certificate, *options,
             "-www", "-tls1_3", "-num_tickets", "0"],
            env=self.env,
        )
        wait_for("s_server", 20, self.socket.exists)

    def openssl(self, *argv):
        done = subprocess.run(
            ["openssl", *map(str, argv)], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"openssl {argv[0]}: {done.stderr.strip()[-200:]}")


class Load:
    """Clients without keys, for some seconds; handshakes a second."""

    def __init__(self, bench, server):
        self.argv = [bench.build / "tests/tls/tls_use", "load", server.socket, server.certificate,
                     "1"]
        self.seconds = 1 if bench.quick else 2
        self.count = 0

    def turn(self):
        env = {**os.environ, "OPENSSL_CONF": "/dev/null"}
        begin = time.monotonic()
        done = subprocess.run(
            [*map(str, self.argv), str(self.seconds)], env=env, capture_output=True, text=True,
            check=False,
        )
        found = re.fullmatch(r"(\d+) done, 0 failed", done.stdout.strip())
        if not found:
            raise BenchError(f"handshakes: {done.stdout.strip()} {done.stderr.strip()[-200:]}")
        self.count = int(found.group(1))
        return self.count / (time.monotonic() - begin)


def signing(bench, daemon):
    """Signatures a second by one connection."""
    digest = {"digest": "A" * 43 + "=", "hash": "sha256"}
    worker = daemon.client("/v1/keys/web/sign", digest)
    count = bench.runs(400)
    return lambda: 1e6 / worker.batch("run", 20, count)


def ours(bench, place, daemon):
    conf = place.folder("module") / "openssl.cnf"
    conf.write_text(CONFIG.format(module=bench.build / "src/openssl/holdfast.so"))
    env = {"OPENSSL_CONF": str(conf), "HOLDFAST_SOCKET": str(daemon.socket)}
    return Server(place, "ours", ["-key", "holdfast:key/web"], env)


def theirs(place, chip):
    """tpm2-openssl with a P-256 key that it makes itself, through tpm2-abrmd."""
    counter = Counter(place, chip, "peer-counter")
    broker = Broker(place, counter.tcti)
    env = {**broker.env, "TPM2OPENSSL_TCTI": "tabrmd:bus_type=session", "TSS2_LOG": "all+none",
           "OPENSSL_CONF": str(place.folder("peer") / "openssl.cnf")}
    key = place.folder("peer") / "key"
    (place.folder("peer") / "openssl.cnf").write_text("[req]\ndistinguished_name = n\n[n]\n")
    load = ["-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2"]
    done = subprocess.run(
        ["openssl", "genpkey", *load[:4], "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out", key],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise BenchError(f"tpm2-openssl: {done.stderr.strip()[-200:]}")
    return Server(place, "theirs", [*load, "-key", key], env), counter


def ordinary(place):
    """The same server with a key in a file: what TLS itself costs here."""
    key = place.folder("file") / "key"
    conf = place.folder("file") / "openssl.cnf"
    conf.write_text("[req]\ndistinguished_name = n\n[n]\n")
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out", key],
        check=True, capture_output=True,
    )
    return Server(place, "ordinary", ["-key", key], {"OPENSSL_CONF": str(conf)})


def peer_of(bench, place):
    """Its load, its counter, and why there are none."""
    try:
        server, counter = theirs(place, Chip(place, "peer-chip"))
        load = Load(bench, server)
        load.turn()
        return load, counter, ""
    except BenchError as reason:
        return None, None, str(reason)


def commands_of(load, count):
    load.turn()
    before = count()
    load.turn()
    return (count() - before) / load.count


def micro(figures):
    return [1e6 / figure for figure in figures]


def p6(bench):
    with Place() as place:
        chip = Chip(place)
        daemon = Daemon(place, bench.build, chip.tcti)
        daemon.start()
        daemon.call("POST", "/v1/keys", {"name": "web", "type": "ecc-p256"})
        load = Load(bench, ours(bench, place, daemon))
        plain = Load(bench, ordinary(place))
        peer, counter, why = peer_of(bench, place)
        yield absolute("P6", "TPM commands per TLS 1.3 handshake", commands_of(load, daemon.commands),
                       "", at_most(1))
        parties = {"ours": load.turn, "plain": plain.turn, "sign": signing(bench, daemon)}
        if peer:
            parties["peer"] = peer.turn
            yield absolute("P6", "the same of tpm2-openssl through tpm2-abrmd",
                           commands_of(peer, lambda: counter.count), "")
        f = take_turns(min(bench.rounds, 5), parties)
        what = "TLS 1.3 handshakes, P-256, one client"
        yield compare("P6", what, f["ours"], "signatures through the socket", f["sign"],
                      at_least(0.7), unit="/s")
        both = [a + b for a, b in zip(micro(f["plain"]), micro(f["sign"]))]
        yield compare("P6", "a TLS 1.3 handshake, P-256, one client", micro(f["ours"]),
                      "with a key in a file + a signature", both, at_most(1.1))
        if peer:
            yield compare("P6", what, f["ours"], "tpm2-openssl", f["peer"], at_least(3), unit="/s")
        else:
            yield skipped("P6", what, why, ">= 3")
