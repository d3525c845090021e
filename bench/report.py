# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table for people, as JSON, and as the README's table."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

from kit import median

PACKAGES = [
    "libtss2-esys-3.0.2-0", "libtss2-fapi1", "swtpm", "libtpms0", "libssl3", "libmicrohttpd12",
    "tpm2-tools", "tpm2-abrmd", "python3-tpm2-pytss", "libtpm2-pkcs11-1", "opensc", "tpm2-openssl",
]
COLUMNS = ["row", "what", "ours", "peer", "ratio", "goal", "met"]
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclasses.dataclass
class Result:
    """One line of the table. A row that could not be measured has only a note."""

    row: str
    what: str
    ours: float | None = None
    unit: str = ""
    peer_name: str = ""
    peer: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""
    rounds: int = 0

    def cells(self):
        if self.ours is None:
            return [self.row, self.what, "-", self.note, "-", self.goal or "-", "-"]
        peer = f"{self.peer_name} {figure(self.peer)}".strip() if self.peer is not None else "-"
        return [
            self.row, self.what, f"{figure(self.ours)} {self.unit}".strip(), peer,
            f"{self.ratio:.2f}" if self.ratio is not None else "-", self.goal or "-",
            {True: "yes", False: "NO", None: "-"}[self.met],
        ]


def figure(value):
    if value == int(value):
        return str(int(value))
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def at_most(limit):
    return f"<= {limit:g}", lambda ratio: ratio <= limit


def at_least(limit):
    return f">= {limit:g}", lambda ratio: ratio >= limit


def compare(row, what, ours, peer_name, peer, goal=None, faster=False, unit="us"):
    """Of figures taken in the same rounds: the median of the rounds' ratios. ours/peer, or with
    @faster peer/ours: how many times faster we are."""
    ratio = median([p / o if faster else o / p for o, p in zip(ours, peer)])
    return Result(
        row, what, median(ours), unit, peer_name, median(peer), ratio,
        goal[0] if goal else "", goal[1](ratio) if goal else None, rounds=len(ours),
    )


def absolute(row, what, value, unit, goal=None, peer_name="", peer=None):
    """A count or a size, which needs no peer to mean something."""
    return Result(
        row, what, value, unit, peer_name, peer, None,
        f"{goal[0]} {unit}".strip() if goal else "", goal[1](value) if goal else None,
    )


def skipped(row, what, why, goal=""):
    return Result(row, what, note=f"skipped: {why}", goal=goal)


# --- the machine ---


def cpu():
    found = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else platform.machine()


def machine(extra):
    versions = {}
    for package in PACKAGES:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
            check=False,
        )
        if done.returncode == 0 and done.stdout:
            versions[package] = done.stdout
    return {
        "kernel": platform.release(), "cpu": cpu(), "cores": os.cpu_count(),
        "versions": versions | extra,
    }


# --- the three forms ---


def print_table(results):
    rows = [COLUMNS] + [result.cells() for result in results]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def write_json(path, results, facts, quick):
    document = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "quick": quick,
        "machine": facts,
        "results": [dataclasses.asdict(result) for result in results],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def readme_table(results, facts):
    lines = [BEGIN, "| | measured | ours | against | ratio | goal | met |", "|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(result.cells()) + " |" for result in results]
    lines += [
        "",
        f"swtpm {facts['versions'].get('swtpm', '?')}, {facts['cores']} cores, {facts['cpu']}, "
        f"Linux {facts['kernel']}. Times are medians; a ratio is of figures taken in turns in one "
        "run, so it holds where the times do not.",
        END,
    ]
    return "\n".join(lines)


def write_readme(path, results, facts):
    text = path.read_text()
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise SystemExit(f"bench: {path.name} has no place for the table")
    path.write_text(text[:begin] + readme_table(results, facts) + text[end + len(END) :])
