#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the rows of docs/BENCH.md, prints one table, writes bench/results.json and the README's
table. Run by ./do bench."""

import argparse
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True

import broker  # noqa: E402
import crowd  # noqa: E402
import loader  # noqa: E402
import report  # noqa: E402
import rest  # noqa: E402
import rows  # noqa: E402
import tls  # noqa: E402
from kit import BenchError, Place  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = {
    "P1": rows.p1, "P2": rows.p2, "P3": rows.p3, "P4": crowd.p4, "P5": broker.p5, "P6": tls.p6,
    "P7": loader.p7, "P8": rows.p8, "P9": None, "P10": rest.p10,
}


class Bench:
    def __init__(self, options):
        self.build = options.build.resolve()
        self.parsec_root = options.parsec_root
        self.smoke = options.smoke
        self.quick = options.quick or options.smoke
        self.rounds = 1 if self.smoke else 5 if self.quick else 11
        self.rest_s = 1 if self.smoke else 10 if self.quick else 60
        self.versions = {}

    def runs(self, full):
        """Of the timed operation in one turn."""
        return 3 if self.smoke else max(5, full // 4) if self.quick else full


def arguments():
    parser = argparse.ArgumentParser(prog="./do bench")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-bench", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="shorter, rougher; writes nothing")
    parser.add_argument("--smoke", action="store_true", help="does everything run? no figures")
    parser.add_argument("--parsec-root", help="a Debian 13 root with Parsec (docs/BENCH.md)")
    parser.add_argument("rows", metavar="ROW", nargs="*", help=f"of {', '.join(ROWS)}; default: all")
    options = parser.parse_args()
    for row in options.rows:
        if row not in ROWS:
            parser.error(f"no row {row}; there are {', '.join(ROWS)}")
    return options


def measure(bench, name, function, *args):
    begin = time.monotonic()
    results = []
    try:
        for result in function(bench, *args):
            results.append(result)
    except BenchError as reason:
        results.append(report.skipped(name, "the rest of this row", str(reason)))
    print(f"{name} took {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return results


def measure_all(bench, names):
    results = {}
    with Place() as place:
        # First, so that it rests while the others are measured; read last.
        resting = rest.Rest(bench, place) if "P9" in names else None
        for name in names:
            if name != "P9":
                results[name] = measure(bench, name, ROWS[name])
        if resting:
            results["P9"] = measure(bench, "P9", rest.p9, resting)
    return [result for name in ROWS if name in results for result in results[name]]


def main():
    options = arguments()
    if options.check:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    bench = Bench(options)
    try:
        results = measure_all(bench, options.rows or list(ROWS))
    except BenchError as reason:
        sys.exit(f"bench: {reason}")
    facts = report.machine(bench.versions)
    report.print_table(results)
    if bench.smoke:
        sys.exit(any(result.ours is None and "Parsec" not in result.note for result in results))
    if not options.rows and not bench.quick:
        report.write_json(ROOT / "bench/results.json", results, facts, bench.quick)
        report.write_readme(ROOT / "README.md", results, facts)


main()
