#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The clients of the test of raw commands: eight tenants, each in turn through pytss and tpm2-tools.

usage: broker.py FOLDER ROUNDS SOCKET..

ROUNDS in all; every TOOLS_EVERY-th round of a tenant is the workflow of tpm2-tools, the others that
of pytss, and so that they do not run in step, each tenant begins elsewhere. All must print the
same, every time, and nothing of a chip that is full. Prints one line.
"""

import hashlib
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
WORKFLOWS = pathlib.Path(__file__).resolve().parent.parent / "broker"
sys.path.insert(0, str(WORKFLOWS))

TOOLS_EVERY = 16
SCARCE = re.compile(rb"0x0*90[1235]\b|out of memory for (object|session)|context gap", re.I)


def tools(tcti):
    """The lines that it prints; what tells them from others is their order."""
    env = os.environ | {"TPM2TOOLS_TCTI": tcti}
    done = subprocess.run(
        [WORKFLOWS / "tools.sh"], env=env, capture_output=True, text=True, check=False, timeout=600
    )
    sys.stderr.write(done.stderr)
    sys.stderr.flush()
    if done.returncode:
        raise RuntimeError(f"tools.sh: {done.stdout[-500:]}")
    return done.stdout.splitlines()


def in_python(tcti):
    import pytss  # noqa: PLC0415 in the process of the tenant, whose libraries write to its log

    results, name = pytss.esapi(tcti)
    return [f"chip owner primary {name}", *results]


def tenant(number, rounds, tcti, folder):
    """In a process of its own; its output and its libraries' go to a file."""
    os.environ |= {"WHO": f"tenant {number}", "TSS2_LOG": "all+ERROR"}
    log = os.open(folder / f"log.{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    digests = {}
    for i in range(rounds):
        kind = tools if (i + number) % TOOLS_EVERY == 0 else in_python
        lines = kind(tcti)
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        if digests.setdefault(kind.__name__, digest) != digest:
            print("\n".join(lines), flush=True)
            raise RuntimeError(f"round {i} differs")
        (folder / f"digests.{number}").write_text(
            "".join(f"{name} {value}\n" for name, value in sorted(digests.items()))
        )
        (folder / f"rounds.{number}").write_text(f"{i + 1} {kind.__name__}")


def run(folder, rounds, sockets):
    share = -(-rounds // len(sockets))
    processes = [
        multiprocessing.Process(target=tenant, args=(i, share, f"swtpm:path={path}", folder))
        for i, path in enumerate(sockets)
    ]
    begin = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    took = time.monotonic() - begin
    logs = b"".join((folder / f"log.{i}").read_bytes() for i in range(len(sockets)))
    failed = [i for i, process in enumerate(processes) if process.exitcode]
    if failed:
        tail = (folder / f"log.{failed[0]}").read_text(errors="replace")[-3000:]
        return f"tenants {failed} failed; the first:\n{tail}"
    scarce = SCARCE.search(logs)
    if scarce:
        return f"a tenant was told of a full chip: {scarce.group(0).decode()}"
    kinds = {}
    for i in range(len(sockets)):
        for line in (folder / f"digests.{i}").read_text().splitlines():
            kinds.setdefault(line.split()[0], set()).add(line.split()[1])
    differ = [name for name, digests in kinds.items() if len(digests) > 1]
    if differ or len(kinds) != 2:
        return f"tenants had different results: {kinds}"
    print(f"raw commands: {share * len(sockets)} rounds by {len(sockets)} tenants in {took:.0f} s, "
          f"all with the same results, nobody told of a full chip")
    return None


def main():
    folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(exist_ok=True)
    sys.exit(run(folder, rounds, sys.argv[3:]))


if __name__ == "__main__":
    main()
