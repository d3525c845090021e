# SPDX-License-Identifier: Apache-2.0
"""The programs that we are measured against, each set up as its own documentation has it."""

import os
import pathlib
import shutil
import subprocess
import time

from kit import BenchError, Chip, Worker, free_ports, wait_for

PROFILES = pathlib.Path("/etc/tpm2-tss/fapi-profiles")
PLAIN = b"thirty-two bytes that are sealed"


class Fapi:
    """FAPI with folders of its own and Debian's P-256 profile, but for `noda`: without it every
    power cut would count towards a lockout."""

    def __init__(self, place, tcti, name="fapi"):
        self.place = place
        self.extra_env = {}
        folder = place.folder(name)
        profile = (PROFILES / "P_ECCP256SHA256.json").read_text()
        noda = profile.replace("system,restricted,decrypt,0x", "system,restricted,decrypt,noda,0x")
        if noda == profile:
            raise BenchError("FAPI's profile is not the one that is known here")
        for sub in ("profiles", "user", "system", "log"):
            (folder / sub).mkdir()
        (folder / "profiles/P_ECCP256SHA256.json").write_text(noda)
        self.config = folder / "config.json"
        self.configure(tcti)

    def configure(self, tcti):
        folder = self.config.parent
        self.config.write_text(
            f'{{ "profile_name": "P_ECCP256SHA256", "profile_dir": "{folder}/profiles/",\n'
            f'  "user_dir": "{folder}/user/", "system_dir": "{folder}/system/",\n'
            f'  "log_dir": "{folder}/log/", "tcti": "{tcti}",\n'
            f'  "system_pcrs": [], "ek_cert_less": "yes" }}\n'
        )

    def env(self):
        return {"TSS2_FAPICONF": str(self.config), "TSS2_LOG": "all+none", **self.extra_env}

    def worker(self, build, *args):
        return Worker(self.place, [build / "bench/bench_fapi", *args], env=self.env())

    def python(self):
        argv = ["/usr/bin/python3", pathlib.Path(__file__).with_name("pytss.py")]
        return Worker(self.place, argv, env=self.env())


class Tools:
    """tpm2-tools: a sealed object in two files; its use takes two programs."""

    def __init__(self, place, chip):
        self.chip = chip
        self.folder = place.folder("tools")
        self.env = {**os.environ, "TPM2TOOLS_TCTI": chip.tcti}
        (self.folder / "plain").write_bytes(PLAIN)
        chip.flush_objects()
        self.run("tpm2_create", "-Q", "-C", "0x81000001", "-i", "plain", "-u", "u", "-r", "r")

    def run(self, *argv):
        done = subprocess.run(argv, cwd=self.folder, env=self.env, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"{argv[0]}: {done.stderr.decode(errors='replace').strip()[:200]}")
        return done.stdout

    def unseal(self):
        """Microseconds of loading and unsealing; flushing what was loaded is not counted."""
        self.chip.flush_objects()
        begin = time.monotonic_ns()
        self.run("tpm2_load", "-Q", "-C", "0x81000001", "-u", "u", "-r", "r", "-c", "c")
        plain = self.run("tpm2_unseal", "-c", "c")
        took = time.monotonic_ns() - begin
        self.chip.flush_objects()
        if plain != PLAIN:
            raise BenchError("tpm2_unseal gave something else")
        return took / 1000


class Broker:
    """tpm2-abrmd on a D-Bus of its own."""

    def __init__(self, place, tcti):
        for program in ("dbus-daemon", "tpm2-abrmd"):
            if not shutil.which(program):
                raise BenchError(f"{program} is not installed")
        bus = place.spawn(
            ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE, text=True,
        )
        self.env = {"DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}
        root = ["--allow-root"] if os.geteuid() == 0 else []
        place.spawn(
            ["tpm2-abrmd", "--session", *root, f"--tcti={tcti}"], env={**os.environ, **self.env}
        )
        wait_for("tpm2-abrmd", 10, self.is_up)

    def is_up(self):
        found = subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
             "org.freedesktop.DBus.NameHasOwner", "string:com.intel.tss2.Tabrmd"],
            env={**os.environ, **self.env}, capture_output=True, text=True, check=False,
        )
        return "true" in found.stdout


class Parsec:
    """Parsec in a Debian 13 root (docs/BENCH.md), with a chip of its own: it does not survive that
    somebody else empties the chip."""

    CONFIG = """
[core_settings]
allow_root = true
[listener]
listener_type = "DomainSocket"
timeout = 200
socket_path = "{folder}/parsec.sock"
[authenticator]
auth_type = "UnixPeerCredentials"
[[key_manager]]
name = "sqlite-manager"
manager_type = "SQLite"
sqlite_db_path = "{folder}/db.sqlite3"
[[provider]]
name = "tpm-provider"
provider_type = "Tpm"
key_info_manager = "sqlite-manager"
tcti = "{tcti}"
owner_hierarchy_auth = ""
"""

    def __init__(self, place, root, build):
        """@place lies inside the root, in /tmp, so that both sides see it, by different names."""
        self.place, self.root = place, root
        self.inside = pathlib.Path("/tmp") / place.path.name
        chip = Chip(place, port=free_ports())
        (place.path / "config").write_text(self.CONFIG.format(folder=self.inside, tcti=chip.tcti))
        self.env = {
            "PATH": "/usr/sbin:/usr/bin:/bin",
            "PARSEC_SERVICE_ENDPOINT": f"unix:{self.inside}/parsec.sock",
        }
        self.socket = place.path / "parsec.sock"
        self.process = place.spawn(
            ["chroot", root, "/usr/bin/parsec", "-c", self.inside / "config"], env=self.env
        )
        wait_for("Parsec", 20, self.is_up)
        self.tool("create-ecc-key", "-k", "bench")
        self.worker = Worker(place, [build / "bench/bench_parsec", self.socket])

    def is_up(self):
        if self.process.poll() is not None:
            raise BenchError("Parsec ended")
        return self.socket.exists()

    def tool(self, *argv):
        self.run("parsec-tool", *argv)

    def run(self, *argv):
        done = subprocess.run(
            ["chroot", str(self.root), *argv], env=self.env, capture_output=True, text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"{argv[0]}: {done.stderr.strip()[-200:]}")
        return done.stdout

    def version(self):
        return self.run("dpkg-query", "-W", "-f", "${Version}", "parsec-service")


def parsec_root(option):
    """The root that was given, or why there is none."""
    if not option:
        raise BenchError("no --parsec-root")
    root = pathlib.Path(option).resolve()
    if os.geteuid() != 0:
        raise BenchError("Parsec needs root, for chroot")
    if not (root / "usr/bin/parsec").exists():
        raise BenchError("no Parsec in the root that was given")
    if len(str(root)) > 60:
        raise BenchError("the path of Parsec's root is too long for sockets in it")
    return root
