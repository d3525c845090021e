#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tries every operation of docs/API.yaml against a running daemon.

usage: run.py config                      prints the tenants that the daemon must have
       run.py PART RUN-FOLDER PROVIDER    PART: isolation, rights, admin, malformed, strays
       run.py recipes                     is there a recipe for each operation?
"""

import sys

sys.dont_write_bytecode = True

from document import Document  # noqa: E402
from isolation import Administration, Isolation, Rights  # noqa: E402
from malformed import Malformed, Strays  # noqa: E402
from recipes import RECIPES  # noqa: E402
from world import WORDS, World  # noqa: E402

PARTS = {
    "isolation": Isolation, "rights": Rights, "admin": Administration, "malformed": Malformed,
    "strays": Strays,
}
SHOWN = 60


def config():
    sets = {"a": WORDS, "b": WORDS, "only": ()}
    for word in WORDS:
        sets[f"no-{word}"] = tuple(other for other in WORDS if other != word)
        sets[f"only-{word}"] = (word,)
    sets["only-key-import"] = ("key", "import")
    for name, words in sets.items():
        listed = ", ".join(f'"{word}"' for word in words)
        print(f"tenant {name} {{ operations = {{{listed}}}  rate = 0  keys = 0  connections = 256 }}")


def check_recipes(operations):
    faults = [f"{one}: has no recipe in recipes.py" for one in operations if one not in RECIPES]
    return faults + [f"{one}: is not in docs/API.yaml" for one in RECIPES if one not in operations]


def tell(faults):
    for fault in faults[:SHOWN]:
        print(fault)
    if len(faults) > SHOWN:
        print(f".. and {len(faults) - SHOWN} more")
    sys.exit(bool(faults))


def main():
    part = sys.argv[1]
    if part == "config":
        config()
        return
    document = Document()
    operations = document.operations()
    if part == "recipes":
        tell(check_recipes(operations))
    world = World(sys.argv[2], sys.argv[3])
    if part not in ("rights", "strays"):
        world.make()
    PARTS[part](world, document).run(operations)
    tell(world.faults)


if __name__ == "__main__":
    main()
