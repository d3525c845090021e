#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The power-cut test: what the device's identity is after the power went at any moment.

usage: powercut.py [--every N] [--only WORD] [--at POINT] [--list] [--jobs N]

For each scenario a private daemon with a TPM emulator of its own does something once, and the
points are counted at which it writes, syncs, renames, removes, or talks to the TPM (cut.py). Then
it does the same again and again, each time to be cut, with the emulator, at the next of these
points; with what had not been synced then it starts again, and is held against the invariants of
docs/IDENTITY.md. --every N takes each N-th point only, beginning with another one in each
scenario. HOLDFAST_BUILD is the folder with the programs.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("HOLDFAST_BUILD", os.path.join(HERE, "../../build")))
PATIENCE = 120  # seconds, for what takes well below one
KEYS_FIRST, KEYS_LAST = 0x81000100, 0x8100017F  # where identity keys lie
HSK = 0x81000101
CUT = 99
KEPT = ("state", "config", "persist", "tpm")


class Broken(Exception):
    """An invariant that does not hold."""


def demand(condition, text):
    if not condition:
        raise Broken(text)


def wait_for(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise Broken(f"waited in vain for {what}")


def listens(path):
    """A file is there a moment before its socket takes connections."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        rows = [line.split() for line in file]
    return any(row[-1] == path and row[3] == "00010000" for row in rows)  # __SO_ACCEPTCON


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class World:
    """A machine: its disk, its TPM, and what runs on it."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.chip = self.daemon = None
        self.tcti = ""

    def at(self, *names):
        return os.path.join(self.folder, *names)

    # --- the disk ---

    def clean(self):
        self.stop(signal.SIGKILL)
        for name in KEPT:
            shutil.rmtree(self.at(name), ignore_errors=True)
        for name in ("config", "persist", "tpm"):
            os.mkdir(self.at(name))

    def keep(self, name):
        """The disk as it is now."""
        for folder in KEPT:
            if os.path.isdir(self.at(folder)):
                shutil.copytree(self.at(folder), self.at("kept", name, folder), symlinks=True)

    def restore(self, name):
        self.clean()
        for folder in KEPT:
            shutil.rmtree(self.at(folder), ignore_errors=True)
            if os.path.isdir(self.at("kept", name, folder)):
                shutil.copytree(self.at("kept", name, folder), self.at(folder), symlinks=True)

    def has(self, name):
        return os.path.isdir(self.at("kept", name))

    # --- the TPM ---

    def start_chip(self):
        path = self.at("tpm.sock")
        for name in (path, path + ".ctrl"):
            if os.path.exists(name):
                os.unlink(name)
        with open(self.at("tpm.log"), "a", encoding="utf-8") as log:
            self.chip = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.at('tpm')}",
                 "--server", f"type=unixio,path={path}", "--ctrl",
                 f"type=unixio,path={path}.ctrl", "--flags", "not-need-init,startup-clear"],
                stdout=log, stderr=log, preexec_fn=die_with_parent)
        wait_for("the TPM", lambda: listens(path) and listens(path + ".ctrl"))
        self.tcti = f"swtpm:path={path}"

    def handles(self):
        """The persistent ones where identity keys may lie; nobody else is at the TPM."""
        self.start_chip()
        try:
            out = subprocess.run(["tpm2_getcap", "handles-persistent", "-T", self.tcti],
                                 capture_output=True, text=True, check=True).stdout
        finally:
            self.stop_chip()
        found = [int(word, 16) for word in out.split() if word.startswith("0x")]
        return [one for one in found if KEYS_FIRST <= one <= KEYS_LAST and one != HSK]

    def stop_chip(self):
        if self.chip:
            self.chip.kill()
            self.chip.wait()
            self.chip = None

    # --- the daemon ---

    def configure(self, lines):
        with open(self.at("conf"), "w", encoding="utf-8") as conf:
            conf.write(
                f'paths {{ state = "{self.at("state")}" run = "{self.at("run")}" }}\n'
                f'tpm {{ tcti = "{self.tcti if self.chip else ""}" wait = 0 }}\n'
                "fapi { probe = false }\n"
                f'device {{ config_dir = "{self.at("config")}" persist_dir = "'
                f'{self.at("persist")}" {lines} }}\n')

    def start(self, lines, cut=None):
        """@cut: options of cut.py."""
        self.start_chip()
        self.configure(lines)
        command = [os.path.join(BUILD, "holdfastd"), "--config", self.at("conf")]
        if cut is not None:
            roots = [word for name in ("state", "config", "persist")
                     for word in ("--root", self.at(name))]
            command = [sys.executable, os.path.join(HERE, "cut.py"), "--log", self.at("points"),
                       "--with", str(self.chip.pid)] + roots + cut + ["--"] + command
        environment = dict(os.environ)
        if cut is not None:  # one who is traced cannot look for leaks
            environment["ASAN_OPTIONS"] = \
                ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))
        with open(self.at("log"), "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment,
                                           preexec_fn=die_with_parent)

    def stop(self, number=signal.SIGTERM):
        """Status of the daemon, or None."""
        status = None
        if self.daemon:
            self.daemon.send_signal(number)
            status = self.daemon.wait(PATIENCE)
            self.daemon = None
        self.stop_chip()
        return status

    def is_cut(self):
        return self.daemon.poll() is not None

    # --- its clients ---

    def call(self, method, path, value=None, name="holdfast.sock"):
        """(status, JSON); status 0: no answer."""
        body = b"" if value is None else json.dumps(value).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        if value is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(self.at("run", name))
                client.sendall(head.encode() + b"\r\n" + body)
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
        except OSError:
            return 0, None
        lines, _, content = answer.partition(b"\r\n\r\n")
        if not lines:
            return 0, None
        return int(lines.split()[1]), json.loads(content) if content else None

    def admin(self, path, value):
        return self.call("POST", "/v1/admin/device/" + path, value, "admin.sock")

    def holdfast(self, *words):
        environment = dict(os.environ, HOLDFAST_SOCKET=self.at("run", "holdfast.sock"))
        return subprocess.run([os.path.join(BUILD, "holdfast"), *words], capture_output=True,
                              check=False, env=environment, timeout=PATIENCE)

    def device(self):
        """What `holdfast device status --json` says, or None."""
        done = self.holdfast("device", "status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def settled(self):
        """The device, once it is no longer on its way to something."""
        def look():
            if self.daemon.poll() is not None:
                raise Broken("the daemon ended")
            status, answer = self.call("GET", "/v1/status")
            if status != 200 or answer["provider"] == "deciding":
                return None
            device = self.device()
            if not device or device["mode"] == "resetting":
                return None
            return device
        return wait_for("a device that has settled", look)


# --- what must be so, whatever happened --------------------------------------------------------


def key_of(device):
    return device["key"] and device["key"]["public"]


def check_signature(world, device):
    """The key works, and the certificate is its own."""
    message = os.urandom(24)
    with open(world.at("message"), "wb") as out:
        out.write(message)
    done = world.holdfast("device", "sign", "--purpose", "power", "--in", world.at("message"),
                          "--out", world.at("signature"))
    demand(done.returncode == 0, f"the key does not sign: {done.stderr.decode()}")
    with open(world.at("signed"), "wb") as out:
        out.write(b"holdfast device signature v1\0host\0power\0" + message)
    with open(world.at("certificate"), "w", encoding="ascii") as out:
        out.write(device["certificate"]["pem"])
    public = subprocess.run(["openssl", "x509", "-in", world.at("certificate"), "-noout",
                             "-pubkey"], capture_output=True, text=True, check=True).stdout
    demand(public.split() == key_of(device).split(), "the certificate is of another key")
    with open(world.at("public"), "w", encoding="ascii") as out:
        out.write(public)
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", world.at("public"),
                           "-signature", world.at("signature"), world.at("signed")],
                          capture_output=True, check=False)
    demand(done.returncode == 0, "the signature is not that of the certificate")
    with open(world.at("config", "device.cert.pem"), encoding="ascii") as file:
        demand(file.read().split() == device["certificate"]["pem"].split(),
               "the certificate in the file is another one")


def check_files(world, mode):
    """One identity: no soft key beside one in the TPM; the marker tells the mode; nothing half."""
    demand(os.path.exists(world.at("config", "device.key.pem")) == (mode == "software"),
           f"a soft key is {'not there' if mode == 'software' else 'there'} in mode {mode}")
    demand(os.path.exists(world.at("persist", "config", "tpm_in_use")) == (mode == "enabled"),
           f"tpm_in_use does not tell of mode {mode}")
    if mode == "unprovisioned":
        demand(not os.path.exists(world.at("config", "device.cert.pem")), "a certificate is left")
    left = [os.path.join(folder, name) for root in ("config", "persist", "state")
            for folder, _, names in os.walk(world.at(root)) for name in names
            if name.startswith(".tmp-") or name.endswith(".tmp")]
    demand(not left, f"left over: {left}")


def check_device(world, modes):
    """Settles, and demands all of it; the device."""
    device = world.settled()
    mode = device["mode"]
    demand(mode in modes, f"mode {mode}: {device['reason']}")
    check_files(world, mode)
    if mode in ("enabled", "software"):
        demand(device["protection"] == ("tpm" if mode == "enabled" else "software"),
               f"mode {mode} says {device['protection']}")
        check_signature(world, device)
    else:
        demand(device["key"] is None and device["certificate"] is None,
               f"a key or a certificate in mode {mode}")
    return device


def check_handles(world, count, lines):
    """How many keys the stopped daemon has left in the TPM; it goes on then."""
    status = world.stop()
    demand(status == 0, f"the daemon ended with {status}")
    found = world.handles()
    demand(len(found) == count, f"{len(found)} identity keys in the TPM instead of {count}: "
           + " ".join(hex(one) for one in found))
    world.start(lines)
    return world.settled()


# --- scenarios -----------------------------------------------------------------------------------


MANUAL = 'provision = "manual"'
AUTO = 'provision = "auto"'


def order(path, **value):
    def do(world):
        return world.admin(path, value)[0]
    return do


RESET = order("reset", clear_tpm=False, accept_foreign=False)
CLEAR = order("reset", clear_tpm=True, accept_foreign=True)


def must(status, expected=(200,)):
    demand(status in expected, f"status {status}")


def remember(world, device):
    """On the disk, with which it is kept."""
    with open(world.at("persist", "before"), "w", encoding="ascii") as out:
        json.dump(device, out)


def make_unprovisioned(world):
    world.clean()
    world.start(MANUAL)
    check_device(world, ("unprovisioned",))


def make_enabled(world):
    make_unprovisioned(world)
    must(order("init")(world))
    check_device(world, ("enabled",))
    # Of a tenant: what a reset must take.
    must(world.call("PUT", "/v1/secrets/one", {"data": "aGVsbG8="})[0], (200, 201))
    must(world.call("POST", "/v1/keys", {"name": "two", "type": "ecc-p256"})[0], (201,))
    status, answer = world.call("POST", "/v1/seal", {"data": "aGVsbG8="})
    must(status)
    with open(world.at("persist", "blob"), "w", encoding="ascii") as out:
        out.write(answer["blob"])


def make_software(world):
    make_unprovisioned(world)
    must(order("init", software=True)(world))
    check_device(world, ("software",))


def make_migrating(world):
    make_software(world)
    must(order("migrate", step="begin")(world))
    demand(world.settled()["confirming"], "nothing waits to be confirmed")


def make_cut_reset(world):
    """A reset that has begun."""
    make_enabled(world)
    remember(world, world.settled())
    world.stop()
    world.keep("to-be-reset")
    go_with_cut(world, MANUAL, RESET, 0)
    # In the middle of it: TPM2_EvictControl.
    evicts = [at + 1 for at, line in enumerate(points_of(world)) if "0x120" in line]
    demand(evicts, "a reset removes no key from the TPM")
    world.restore("to-be-reset")
    demand(go_with_cut(world, MANUAL, RESET, evicts[0]), "the reset was not cut")


def begin_again(world, before, lines):
    """An identity that may be made anew: it is, and it is the only one."""
    device = check_device(world, ("enabled", "unprovisioned"))
    count = 1 if device["mode"] == "enabled" else 0
    device = check_handles(world, count, lines)
    if device["mode"] == "unprovisioned":
        must(order("init")(world))
        device = check_device(world, ("enabled",))
        check_handles(world, 1, lines)
    return device


def after_init(world, before):
    device = begin_again(world, before, MANUAL)
    demand(device["generation"] == 1, f"identity number {device['generation']}")


def after_first_boot(world, before):
    device = check_device(world, ("enabled",))
    demand(device["generation"] == 1, f"identity number {device['generation']}")
    check_handles(world, 1, AUTO)


def has_old_data(world):
    """True or False: all of it, or nothing."""
    with open(world.at("persist", "blob"), encoding="ascii") as file:
        blob = file.read()
    opened = [
        world.call("POST", "/v1/unseal", {"blob": blob})[0] == 200,
        world.call("GET", "/v1/secrets/one")[0] == 200,
        world.call("POST", "/v1/keys/two/sign", {"message": "aGVsbG8="})[0] == 200,
    ]
    demand(len(set(opened)) == 1, f"a part of the old data is there: {opened}")
    return opened[0]


def after_reset(world, before):
    device = check_device(world, ("enabled", "unprovisioned"))
    same = key_of(device) == key_of(before)
    demand(has_old_data(world) == same, "the old data and the old identity do not go together")
    if same:  # it had not begun
        must(RESET(world), (202,))
        wait_for("the reset", lambda: (world.device() or before)["mode"] == "unprovisioned")
    device = begin_again(world, before, MANUAL)
    demand(key_of(device) != key_of(before), "the key of before the reset")
    demand(not has_old_data(world), "data of before the reset")


def after_automatic_reset(world, before):
    device = check_device(world, ("enabled",))
    same = key_of(device) == key_of(before)
    demand(has_old_data(world) == same, "the old data and the old identity do not go together")
    check_handles(world, 1, AUTO)


def after_migrate(world, before):
    device = check_device(world, ("software",))
    demand(key_of(device) == key_of(before), "another software identity")
    check_handles(world, 1 if device["confirming"] else 0, MANUAL)
    if not device["confirming"]:
        must(order("migrate", step="begin")(world))
    must(order("migrate", step="confirm")(world))
    device = check_device(world, ("enabled",))
    demand(key_of(device) != key_of(before), "the key of before")
    check_handles(world, 1, MANUAL)


def after_confirm(world, before):
    device = check_device(world, ("software", "enabled"))
    if device["mode"] == "software":
        demand(key_of(device) == key_of(before), "another software identity")
        demand(device["confirming"], "nothing waits any more, and nothing was confirmed")
        must(order("migrate", step="confirm")(world))
        device = check_device(world, ("enabled",))
    demand(key_of(device) != key_of(before), "the key of before")
    check_handles(world, 1, MANUAL)
    check_device(world, ("enabled",))


def after_rollback(world, before):
    device = check_device(world, ("software",))
    demand(key_of(device) == key_of(before), "another software identity")
    if device["confirming"]:
        must(order("migrate", step="rollback")(world))
        device = check_device(world, ("software",))
    demand(not device["confirming"], "it still waits")
    check_handles(world, 0, MANUAL)
    device = check_device(world, ("software",))
    demand(key_of(device) == key_of(before), "another software identity")


def after_software(world, before):
    device = check_device(world, ("software", "unprovisioned"))
    if device["mode"] == "unprovisioned":
        must(order("init", software=True)(world))
        device = check_device(world, ("software",))
    check_handles(world, 0, MANUAL)


def same_key(world, before):
    device = check_device(world, ("enabled",))
    demand(key_of(device) == key_of(before), "another key")
    device = check_handles(world, 1, AUTO)
    demand(key_of(device) == key_of(before), "another key")
    demand(device["generation"] == before["generation"], "another identity")


def after_resumed_reset(world, before):
    device = check_device(world, ("enabled", "unprovisioned"))
    demand(key_of(device) != key_of(before), "the key of before the reset")
    demand(not has_old_data(world), "data of before the reset")
    begin_again(world, before, MANUAL)


def empty_folder(path):
    for name in os.listdir(path):
        inner = os.path.join(path, name)
        if os.path.isdir(inner):
            shutil.rmtree(inner)
        else:
            os.unlink(inner)


def wipe_config(world):
    empty_folder(world.at("config"))


def wipe_persist(world):
    """But for what the test keeps there."""
    for name in os.listdir(world.at("persist")):
        if os.path.isdir(world.at("persist", name)):
            shutil.rmtree(world.at("persist", name))


def tear_record(world):
    path = world.at("persist", "holdfast", "identity.json")
    os.truncate(path, os.path.getsize(path) // 2)


def lose_records(world):
    for folder, _, names in os.walk(world.folder):
        for name in names:
            if "/kept" not in folder and name.split(".copy")[0].endswith("identity.json"):
                os.unlink(os.path.join(folder, name))


def drop_soft_key(world):
    with open(world.at("config", "device.key.pem"), "wb") as out:
        out.write(subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                                  "ec_paramgen_curve:P-256"], capture_output=True,
                                 check=True).stdout)


def lose_certificate(world):
    os.unlink(world.at("config", "device.cert.pem"))


class Scenario:
    """@lines of section device; @do in a daemon that runs, or None: its start is what is cut."""

    def __init__(self, name, base, lines, do, check, damage=None):
        self.name, self.base, self.lines = name, base, lines
        self.do, self.check, self.damage = do, check, damage


SCENARIOS = [
    Scenario("first-boot", World.clean, AUTO, None, after_first_boot),
    Scenario("init", make_unprovisioned, MANUAL, order("init"), after_init),
    Scenario("init-software", make_unprovisioned, MANUAL, order("init", software=True),
             after_software),
    Scenario("reset", make_enabled, MANUAL, RESET, after_reset),
    Scenario("reset-and-clear", make_enabled, MANUAL, CLEAR, after_reset),
    Scenario("reset-resumed", make_cut_reset, MANUAL, None, after_resumed_reset),
    Scenario("reset-automatic", make_enabled, AUTO, RESET, after_automatic_reset),
    Scenario("migrate", make_software, MANUAL, order("migrate", step="begin"), after_migrate),
    Scenario("confirm", make_migrating, MANUAL, order("migrate", step="confirm"), after_confirm),
    Scenario("rollback", make_migrating, MANUAL, order("migrate", step="rollback"),
             after_rollback),
    Scenario("renew", make_enabled, AUTO, order("renew"), same_key),
    Scenario("normal-boot", make_enabled, AUTO, None, same_key),
    Scenario("certificate-lost", make_enabled, AUTO, None, same_key, lose_certificate),
    Scenario("config-wiped", make_enabled, AUTO, None, same_key, wipe_config),
    Scenario("persist-wiped", make_enabled, AUTO, None, same_key, wipe_persist),
    Scenario("slot-torn", make_enabled, AUTO, None, same_key, tear_record),
    Scenario("records-lost", make_enabled, AUTO, None, same_key, lose_records),
    Scenario("soft-key-dropped", make_enabled, AUTO, None, same_key, drop_soft_key),
]


# --- running them --------------------------------------------------------------------------------


def points_of(world):
    with open(world.at("points"), encoding="utf-8") as file:
        return file.read().splitlines()


def go_with_cut(world, lines, do, at):
    """What is to be cut, at a point or (0) never; the points that were seen."""
    begin = world.at("begin")
    cut = ["--at", str(at)]
    if os.path.exists(begin):
        os.unlink(begin)
    if do:
        cut += ["--from", begin]
    world.start(lines, cut)
    try:
        if do:
            world.settled()
            with open(begin, "w", encoding="ascii"):
                pass
            do(world)
        world.settled()
    except Broken:
        if not world.is_cut():
            raise
    status = world.stop()
    demand(status == (CUT if at else 0) or (at and status == 0),
           f"the daemon ended with {status}")
    return status == CUT


def prepare(world, scenario):
    """The disk before it; what the device was."""
    name = scenario.name
    if not world.has(name):
        scenario.base(world)
        if world.daemon:
            remember(world, world.settled())
        world.stop()
        if scenario.damage:
            scenario.damage(world)
        world.keep(name)
    world.restore(name)
    if not os.path.exists(world.at("persist", "before")):
        return None
    with open(world.at("persist", "before"), encoding="ascii") as file:
        return json.load(file)


def run_point(world, scenario, at):
    """What went wrong, or None."""
    try:
        before = prepare(world, scenario)
        was_cut = go_with_cut(world, scenario.lines, scenario.do, at)
        world.start(scenario.lines)
        scenario.check(world, before)
        world.stop()
        return None if was_cut or not at else "missed"
    except Exception as error:  # whatever it is, it is told, and the others are tried
        points = points_of(world)[-3:] if os.path.exists(world.at("points")) else []
        with open(world.at("log"), encoding="utf-8", errors="replace") as file:
            log = file.read().splitlines()[-25:]
        return f"{type(error).__name__} {error}\n  cut at: " + "\n          ".join(points) + \
            "\n  log: " + "\n       ".join(log)
    finally:
        world.stop(signal.SIGKILL)


WORLD = None


def begin_worker(folder):
    global WORLD
    WORLD = World(folder)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def work(job):
    number, at = job
    result = run_point(WORLD, SCENARIOS[number], at)
    points = points_of(WORLD) if at == 0 and not result else None
    if os.path.exists(WORLD.at("log")):
        os.truncate(WORLD.at("log"), 0)
    return number, at, result, points


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--at", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    # Short, because paths of sockets are.
    folder = tempfile.mkdtemp(prefix="hpc-", dir="/tmp")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        sys.exit(run(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(options, folder):
    """The status."""
    started, failed, missed, done, total = time.monotonic(), 0, 0, 0, 0
    chosen = [number for number, one in enumerate(SCENARIOS) if options.only in one.name]
    with multiprocessing.Pool(options.jobs, begin_worker, (folder,)) as pool:
        jobs = []
        for number, _, result, points in pool.imap_unordered(work, [(n, 0) for n in chosen]):
            name = SCENARIOS[number].name
            if result:
                failed += 1
                print(f"FAILED {name}, without a cut: {result}", flush=True)
                continue
            total += len(points)
            if options.list:
                print("\n".join(f"{name} {point}" for point in points))
            first = 1 + number % options.every
            some = range(first, len(points) + 1, options.every)
            jobs += [(number, at) for at in ([options.at] if options.at else some)]
        for number, at, result, _ in pool.imap_unordered(work, [] if options.list else jobs):
            done += 1
            if result == "missed":
                missed += 1
            elif result:
                failed += 1
                print(f"FAILED {SCENARIOS[number].name} at point {at}: {result}", flush=True)
        pool.close()
        pool.join()
    print(f"power cuts: {len(chosen)} scenarios of {total} points, {done - missed} cuts, "
          f"{missed} points were not met again, {failed} failed; "
          f"{time.monotonic() - started:.0f} s")
    too_few = not options.list and (done == 0 or (missed > 1 and missed * 20 > done))
    return 1 if failed or too_few else 0


if __name__ == "__main__":
    main()
