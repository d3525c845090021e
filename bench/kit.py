# SPDX-License-Identifier: Apache-2.0
"""What the rows are measured with: chips, daemons, workers, and turns taken between them."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time


class BenchError(Exception):
    """A row cannot be measured; the text is its reason."""


def wait_for(what, seconds, condition):
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise BenchError(f"waited in vain for {what}")
        time.sleep(0.001)


class Place:
    """A private folder; what was started in it ends with it."""

    def __init__(self, base=None):
        # Short, because the paths of sockets are.
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="hb-", dir=base or "/tmp"))
        self.ends = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.ends.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def folder(self, name):
        path = self.path / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def spawn(self, argv, stop=signal.SIGTERM, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen([str(word) for word in argv], **options)
        self.ends.callback(end_process, process, stop)
        return process


def end_process(process, stop=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(stop)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- the TPM emulator ---


class Chip:
    """swtpm in a folder of its own. Its TCTI connects anew for each command, so several programs
    can use it in turn."""

    def __init__(self, place, name="chip", port=None):
        """With a port it listens there and on the next one, and is only for a peer's use."""
        self.folder = place.folder(name)
        self.socket = self.folder / "s"
        if port:
            self.tcti = f"swtpm:host=127.0.0.1,port={port}"
            server, ctrl = f"type=tcp,port={port}", f"type=tcp,port={port + 1}"
        else:
            self.tcti = f"swtpm:path={self.socket}"
            server, ctrl = f"type=unixio,path={self.socket}", f"type=unixio,path={self.socket}.ctrl"
        place.spawn(
            [
                "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}",
                "--server", server, "--ctrl", ctrl, "--flags", "not-need-init,startup-clear",
            ],
            stop=signal.SIGKILL,
        )
        wait_for("swtpm", 10, self.listens)

    def listens(self):
        if self.tcti.startswith("swtpm:path"):
            return pathlib.Path(f"{self.socket}.ctrl").exists()
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", int(self.tcti.rpartition("=")[2]) + 1)) == 0

    def command(self, code, body=b""):
        message = struct.pack(">HII", 0x8001, 10 + len(body), code) + body
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.socket))
            link.sendall(message)
            return read_message(link)

    def flush_objects(self):
        """Makes room: what was loaded by whoever had the turn before. They load it again."""
        answer = self.command(0x17A, struct.pack(">III", 1, 0x80000000, 16))
        count = struct.unpack(">I", answer[15:19])[0]
        for handle in struct.unpack(f">{count}I", answer[19 : 19 + 4 * count]):
            self.command(0x165, struct.pack(">I", handle))


def free_ports():
    """The first of two free ports side by side. Somebody may take them before we do: then swtpm
    does not start and the row says so."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 1))
                return port
    raise BenchError("no free ports")


def read_exactly(link, size):
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_message(link):
    head = read_exactly(link, 10)
    return head + read_exactly(link, struct.unpack(">I", head[2:6])[0] - 10)


class Counter:
    """Stands before a chip and counts the commands that pass, whoever sends them."""

    def __init__(self, place, chip, name="counter"):
        self.chip = chip
        self.count = 0
        folder = place.folder(name)
        self.socket = folder / "s"
        self.tcti = f"swtpm:path={self.socket}"
        os.symlink(f"{chip.socket}.ctrl", f"{self.socket}.ctrl")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(8)
        place.ends.callback(self.listener.close)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link, socket.socket(socket.AF_UNIX) as below:
            below.connect(str(self.chip.socket))
            with contextlib.suppress(OSError, EOFError):
                while True:
                    command = read_message(link)
                    self.count += 1
                    below.sendall(command)
                    link.sendall(read_message(below))


# --- workers ---


class Worker:
    """A program that serves batches (bench.h)."""

    def __init__(self, place, argv, env=None):
        self.name = pathlib.Path(argv[0]).name
        self.errors = open(place.folder("logs") / f"{self.name}.{time.monotonic_ns()}", "w+")
        place.ends.callback(self.errors.close)
        self.process = place.spawn(
            argv, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, text=True, bufsize=1,
        )
        if self.line(60) != "ready":
            raise BenchError(f"{self.name} does not start: {self.why()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(15)

    def why(self):
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def line(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline().strip() if ready else ""

    def batch(self, operation, warm, count):
        """The median of the timed runs, in microseconds."""
        return self.spread(operation, warm, count)[0]

    def spread(self, operation, warm, count):
        """.. and what 99 of 100 are below."""
        self.process.stdin.write(f"{operation} {warm} {count}\n")
        answer = self.line(300)
        if not re.fullmatch(r"\d+ \d+ \d+", answer):
            raise BenchError(f"{self.name}: {answer or self.why()}")
        median_ns, p99_ns, _ = map(int, answer.split())
        return median_ns / 1000, p99_ns / 1000


# --- our daemon ---


class Daemon:
    def __init__(self, place, build, tcti=None, name="daemon", extra="", run=None):
        """With @run its sockets are elsewhere than with the rest: where many of them are made, in
        memory, as /run is."""
        self.place, self.build = place, build
        self.folder = place.folder(name)
        self.state = self.folder / "state"
        self.run = run or self.folder / "run"
        self.socket = self.run / "holdfast.sock"
        self.provider = "tpm" if tcti else "legacy"
        self.process = None
        self.tcti = tcti or ""
        self.configure(extra)

    def configure(self, extra):
        """What it reads at its next start."""
        (self.folder / "conf").write_text(
            f'provider = "{self.provider}"\n'
            f'paths {{ state = "{self.state}"  run = "{self.run}" }}\n'
            f'tpm {{ tcti = "{self.tcti}"  wait = 0 }}\n{extra}\n'
        )

    def start(self):
        """Starts it; returns microseconds until it says READY and until it has its provider."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            address = self.folder / "notify"
            address.unlink(missing_ok=True)
            notify.bind(str(address))
            notify.settimeout(10)
            with open(self.folder / "log", "a") as log:
                env = {**os.environ, "NOTIFY_SOCKET": str(address)}
                env.pop("SECURITY_PROVIDER", None)
                begin = time.monotonic_ns()
                self.process = self.place.spawn(
                    [self.build / "holdfastd", "--config", self.folder / "conf"],
                    stderr=log, env=env,
                )
            ready = self.wait_notify(notify)
        provider = wait_for("the provider", 30, self.decided)
        decided = time.monotonic_ns()
        if provider != self.provider:
            raise BenchError(f"the daemon took provider {provider}")
        return (ready - begin) / 1000, (decided - begin) / 1000

    def wait_notify(self, notify):
        try:
            while b"READY=1" not in notify.recv(4096):
                continue
        except socket.timeout:
            raise BenchError("the daemon does not come up") from None
        return time.monotonic_ns()

    def decided(self):
        if self.process.poll() is not None:
            raise BenchError("the daemon ended")
        status = self.call("GET", "/v1/status")
        return None if status["provider"] == "deciding" else status["provider"]

    def stop(self):
        end_process(self.process)

    def call(self, method, path, body=None, octets=False, at=None):
        """On the host's socket, or @at another one."""
        data = body if octets else json.dumps(body).encode() if body is not None else b""
        kind = "application/octet-stream" if octets else "application/json"
        head = f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccept: {kind}\r\n"
        if data:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(at or self.socket))
            link.sendall(head.encode() + b"\r\n" + data)
            answer = b"".join(iter(lambda: link.recv(65536), b""))
        head, _, content = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status >= 300:
            raise BenchError(f"{method} {path}: {status} {content[:200].decode(errors='replace')}")
        return content if octets else json.loads(content) if content else None

    def text(self, path):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(self.socket))
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()

    def commands(self):
        """TPM commands so far, by /metrics."""
        found = re.findall(r"^holdfast_tpm_commands_total\{[^}]*\} (\d+)", self.text("/metrics"), re.M)
        return sum(map(int, found))

    def client(self, path, body, octets=False, many=None, at=None):
        """A worker that sends one request over and over."""
        file = self.folder / f"body{time.monotonic_ns()}"
        file.write_bytes(body if octets else json.dumps(body).encode())
        return http_client(self.place, self.build, at or self.socket, path, file, octets, many)

    def await_tenant(self, tenant):
        """Until what it has is opened, which goes on after the provider is ready."""
        def is_open():
            try:
                return self.call("GET", "/v1/keys?limit=1", at=self.socket_of(tenant))
            except BenchError as reason:
                if '"starting"' in str(reason):
                    return None
                raise
        wait_for(f"tenant {tenant}", 60, is_open)

    def socket_of(self, tenant):
        return self.run / "tenants" / tenant / "holdfast.sock"

    def raw_socket_of(self, tenant):
        return self.run / "tenants" / tenant / "tpm.sock"


def http_client(place, build, address, path, file, octets=False, many=None):
    kind = "application/octet-stream" if octets else "application/json"
    argv = [build / "bench/bench_client", address, path, kind, file]
    return Worker(place, argv + ([str(many)] if many else []))


# --- turns ---


def take_turns(rounds, parties):
    """Each round lets every party have its turn, in an order that turns too. Parties are names
    and functions that return a figure; the result has a list of figures for each."""
    names = list(parties)
    figures = {name: [] for name in names}
    for i in range(rounds):
        order = names[i % len(names) :] + names[: i % len(names)]
        for name in order:
            figures[name].append(parties[name]())
    return figures


@contextlib.contextmanager
def awake():
    """Keeps the processors from sleeping, with loops that run only where nobody else does. A
    processor that slept while the chip worked takes tens of microseconds to come back, once for
    each thread that a request passes."""
    argv = ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"]
    spinners = [
        subprocess.Popen(argv, stdin=subprocess.DEVNULL) for _ in range(os.cpu_count())
    ]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def median(values):
    return statistics.median(values)


def smaps_of_one(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}


def smaps(pid):
    """Kilobytes by name, of the process, and of its children what is theirs alone. What it has in
    common with a child, after a fork, counts as its own."""
    total = smaps_of_one(pid)
    total["Private_Dirty"] += total["Shared_Dirty"]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(smaps_of_one, children.read_text().split()):
            total["Private_Dirty"] += child["Private_Dirty"]
            total["Rss"] += child["Private_Dirty"] + child["Private_Clean"]
    return total


def switches(pid):
    """How often the threads of a process went to sleep or were taken off, so far."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        found = re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)
        total += sum(map(int, found))
    return total
