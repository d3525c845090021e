#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program and cuts its power: at one of the calls by which it changes the world.

usage: cut.py --log FILE [--from FILE] [--at N] [--with PID]... --root FOLDER... -- PROGRAM ARG..

Points are the calls, of all threads and in their order, that write, sync, rename, remove or make a
file below a FOLDER, and the commands to a TPM: each when it is sent, and once more when its answer
is there and not yet read. They are counted from when the FILE of --from exists, each a line of the
log. At point N the program dies before the call, and each PID with it; then what was not
synced is undone: written files are empty, and names that a rename or a removal has changed are what
they were. Without --at nobody is cut.

The status is that of the program, or 99 when it was cut.

strace can inject a signal at the k-th call of a thread. What is wanted here is the k-th of all of
them, since threads share the work, and what is lost with it; so this traces by itself. Nothing of
the program knows.
"""

import argparse
import ctypes
import os
import shutil
import signal
import struct
import sys

CUT = 99

TRACEME, PEEKDATA, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 2, 24, 0x4200, 0x420E
# TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, EXITKILL
OPTIONS = 1 | 2 | 4 | 8 | 16 | 0x100000
WALL = 0x40000000
TRAP_OF_CALL = signal.SIGTRAP | 0x80
ENTRY = 1

AT_FDCWD = -100

# Numbers by AUDIT_ARCH.
CALLS = {
    0xC000003E: {  # x86_64
        0: "read", 1: "write", 17: "pread64", 18: "pwrite64", 20: "writev", 44: "sendto",
        45: "recvfrom", 74: "fsync", 75: "fdatasync", 76: "truncate", 77: "ftruncate",
        82: "rename", 83: "mkdir", 84: "rmdir", 86: "link", 87: "unlink", 162: "sync",
        258: "mkdirat", 263: "unlinkat", 264: "renameat", 265: "linkat", 285: "fallocate",
        306: "syncfs", 316: "renameat2",
    },
    0xC00000B7: {  # aarch64
        63: "read", 64: "write", 68: "pwrite64", 66: "writev", 206: "sendto", 207: "recvfrom",
        82: "fsync", 83: "fdatasync", 45: "truncate", 46: "ftruncate", 34: "mkdirat",
        35: "unlinkat", 37: "linkat", 38: "renameat", 47: "fallocate", 81: "sync", 267: "syncfs",
        276: "renameat2",
    },
}
# Where the paths of a call stand: pairs of a descriptor's argument (None: the working folder) and
# the path's.
PATHS = {
    "rename": [(None, 0), (None, 1)], "renameat": [(0, 1), (2, 3)], "renameat2": [(0, 1), (2, 3)],
    "link": [(None, 0), (None, 1)], "linkat": [(0, 1), (2, 3)],
    "unlink": [(None, 0)], "unlinkat": [(0, 1)], "rmdir": [(None, 0)],
    "mkdir": [(None, 0)], "mkdirat": [(0, 1)], "truncate": [(None, 0)],
}
WRITES = ("write", "pwrite64", "writev", "ftruncate", "fallocate")
SYNCS = ("fsync", "fdatasync")

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno() != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Unsynced:
    """What a power cut takes back."""

    def __init__(self, keep):
        self.keep = keep  # a folder for copies
        self.dirty = {}  # path: may be empty after a cut
        self.names = []  # (folder, undo) in order
        self.copies = 0

    def written(self, path):
        self.dirty[path] = True

    def synced(self, path):
        self.dirty.pop(path, None)
        self.names = [(folder, undo) for folder, undo in self.names if folder != path]

    def all_synced(self):
        self.dirty.clear()
        self.names.clear()

    def _copy(self, path):
        self.copies += 1
        copy = os.path.join(self.keep, str(self.copies))
        shutil.copy2(path, copy)
        return copy

    def removed(self, path):
        if not os.path.isfile(path) or os.path.islink(path):
            return
        copy = self._copy(path)

        def undo():
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            shutil.copy2(copy, path)

        self.names.append((os.path.dirname(path), undo))

    def folder_removed(self, path):
        """What was removed from it is gone for good when it is."""
        self.names = [(os.path.dirname(path) if folder == path else folder, undo)
                      for folder, undo in self.names]

    def renamed(self, old, new):
        if not os.path.isfile(old):
            return
        copy = self._copy(new) if os.path.isfile(new) else None

        def undo():
            if os.path.exists(new):
                os.rename(new, old)
            if copy:
                shutil.copy2(copy, new)

        if old in self.dirty:
            self.dirty[new] = self.dirty.pop(old)
        self.names.append((os.path.dirname(new), undo))

    def lose(self):
        for path in self.dirty:
            if os.path.isfile(path):
                os.truncate(path, 0)
        for _, undo in reversed(self.names):
            undo()


class Tracer:
    def __init__(self, options, program):
        self.options = options
        self.roots = [os.path.realpath(root) for root in options.root]
        self.log = open(options.log, "w", encoding="utf-8", buffering=1)
        self.count = 0
        self.chip = {}  # descriptor of a TPM: reads since the last command
        self.keep = options.log + ".copies"
        shutil.rmtree(self.keep, ignore_errors=True)
        os.mkdir(self.keep)
        self.unsynced = Unsynced(self.keep)
        self.main = os.fork()
        if self.main == 0:
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(program[0], program)
        os.waitpid(self.main, WALL)
        ptrace(SETOPTIONS, self.main, 0, OPTIONS)
        self.threads = {self.main}

    # --- what a call is about ---

    def memory(self, tid, address, enough):
        """By words, which never reach into another page."""
        found, skip = b"", address % 8
        while not enough(found[skip:]):
            word = ptrace(PEEKDATA, tid, address - skip + len(found))
            found += struct.pack("<Q", word & 0xFFFFFFFFFFFFFFFF)
        return found[skip:]

    def text(self, tid, address):
        found = self.memory(tid, address, lambda got: b"\0" in got or len(got) > 4096)
        return os.fsdecode(found.split(b"\0")[0])

    @staticmethod
    def of_fd(tid, fd):
        try:
            return os.readlink(f"/proc/{tid}/fd/{fd}")
        except OSError:
            return ""

    def path(self, tid, args, where):
        fd, text = where
        path = self.text(tid, args[text])
        if path.startswith("/"):
            return os.path.normpath(path)
        fd = AT_FDCWD if fd is None else ctypes.c_int(args[fd]).value
        folder = os.readlink(f"/proc/{tid}/cwd") if fd == AT_FDCWD else self.of_fd(tid, fd)
        return os.path.normpath(os.path.join(folder, path))

    def is_ours(self, path):
        return any(path == root or path.startswith(root + "/") for root in self.roots)

    def short(self, path):
        for root in self.roots:
            if path.startswith(root + "/"):
                return os.path.relpath(path, os.path.dirname(root))
        return path

    # --- points ---

    def point_of_socket(self, tid, call, args):
        fd = args[0]
        if call in ("write", "sendto"):
            if args[2] < 10:
                return None
            head = self.memory(tid, args[1], lambda got: len(got) >= 10)
            tag, size, code = struct.unpack_from(">HII", head)
            if tag not in (0x8001, 0x8002) or size != args[2]:
                return None
            self.chip[fd] = 0
            return f"TPM command {code:#x}"
        if call in ("read", "recvfrom") and fd in self.chip:
            self.chip[fd] += 1
            return "TPM answer" if self.chip[fd] == 2 else None
        return None

    def point_of_file(self, tid, call, args):
        paths = []
        if call in WRITES or call in SYNCS:
            paths = [self.of_fd(tid, args[0])]
        elif call in PATHS:
            paths = [self.path(tid, args, where) for where in PATHS[call]]
        if not paths or not self.is_ours(paths[-1]):
            return None
        return call, paths

    def happens(self, call, paths):
        """The call is going to be done."""
        if call in WRITES or call == "truncate":
            self.unsynced.written(paths[0])
        elif call in SYNCS:
            self.unsynced.synced(paths[0])
        elif call.startswith("rename"):
            self.unsynced.renamed(*paths)
        elif os.path.isdir(paths[0]) and call in ("rmdir", "unlinkat"):
            self.unsynced.folder_removed(paths[0])
        elif call in ("unlink", "unlinkat"):
            self.unsynced.removed(paths[0])

    def entered(self, tid):
        raw = ctypes.create_string_buffer(88)
        ptrace(GET_SYSCALL_INFO, tid, len(raw), ctypes.addressof(raw))
        kind, arch, number, *args = struct.unpack_from("<B3xI16xQ6Q", raw)
        call = CALLS[arch].get(number) if kind == ENTRY else None
        if not call:
            return False
        if call in ("sync", "syncfs"):
            self.unsynced.all_synced()
            return False
        if call in ("read", "recvfrom", "write", "sendto") and \
                self.of_fd(tid, args[0]).startswith("socket:"):
            what = self.point_of_socket(tid, call, args)
            return what is not None and self.reached(tid, what)
        found = self.point_of_file(tid, call, args)
        if not found:
            return False
        if self.reached(tid, f"{call} " + " ".join(self.short(path) for path in found[1])):
            return True
        self.happens(*found)
        return False

    def reached(self, tid, what):
        """Is it the end?"""
        if self.options.from_ and not os.path.exists(self.options.from_):
            return False
        self.count += 1
        self.log.write(f"{self.count} {tid} {what}\n")
        return self.count == self.options.at

    # --- the end, and the loop ---

    def cut(self):
        for pid in [self.main] + self.options.with_:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while True:
            try:
                tid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                break
            if os.WIFSTOPPED(status):  # of another process, as the daemon's starter is one
                os.kill(tid, signal.SIGKILL)
        self.unsynced.lose()
        return CUT

    def stopped(self, tid, status):
        """A signal to hand on, or 0; None when the power is cut."""
        stop, event = os.WSTOPSIG(status), status >> 16
        if stop == TRAP_OF_CALL:
            try:
                return None if self.entered(tid) else 0
            except ProcessLookupError:
                return 0
        if event or (stop == signal.SIGSTOP and tid not in self.threads):
            self.threads.add(tid)
            return 0
        return stop

    def run(self):
        ptrace(SYSCALL, self.main)
        while True:
            tid, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if tid == self.main:
                    return os.waitstatus_to_exitcode(status)
                continue
            deliver = self.stopped(tid, status)
            if deliver is None:
                return self.cut()
            try:
                ptrace(SYSCALL, tid, 0, deliver)
            except ProcessLookupError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", required=True)
    parser.add_argument("--from", dest="from_")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--with", dest="with_", type=int, action="append", default=[])
    parser.add_argument("--root", action="append", required=True)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    tracer = Tracer(options, options.program)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: os.kill(tracer.main, got))
    status = tracer.run()
    shutil.rmtree(tracer.keep, ignore_errors=True)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
