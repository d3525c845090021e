# SPDX-License-Identifier: Apache-2.0
"""FAPI through python3-tpm2-pytss, as a worker like those of bench.h. Operations: unseal, sign."""

import statistics
import sys
import time

from tpm2_pytss import FAPI

PLAIN = b"thirty-two bytes that are sealed"


def batch(run, warm, count):
    times = []
    for i in range(warm + count):
        before = time.monotonic_ns()
        run()
        if i >= warm:
            times.append(time.monotonic_ns() - before)
    times.sort()
    return f"{times[count // 2]} {times[count * 9 // 10]} {int(statistics.mean(times))}"


def main():
    with FAPI() as fapi:
        operations = {
            "unseal": lambda: fapi.unseal("/HS/SRK/benchdata"),
            "sign": lambda: fapi.sign("/HS/SRK/benchkey", PLAIN),
        }
        print("ready", flush=True)
        for line in sys.stdin:
            name, warm, count = line.split()
            print(batch(operations[name], int(warm), int(count)), flush=True)


main()
