# SPDX-License-Identifier: Apache-2.0
"""What the checks share: which files there are, C without its comments, and how to report.

A check takes the root of a tree as its only argument (default: the tree it lies in), prints one
`file:line: what` per offence and exits with 1 if there was any.
"""

import pathlib
import re
import sys

# Comments, strings and character constants; strings before comments, since "//" may stand in one.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
SKIPPED = {".git", "__pycache__"}


def root_of(argv):
    if len(argv) > 2:
        sys.exit(f"usage: {argv[0]} [ROOT]")
    return pathlib.Path(argv[1] if len(argv) == 2 else pathlib.Path(__file__).parent.parent).resolve()


def files(root, folders, suffixes):
    """Paths relative to the root, sorted; folders that do not exist have no files."""
    found = []
    for folder in folders:
        for path in (root / folder).rglob("*"):
            parts = path.relative_to(root).parts
            if path.is_file() and path.suffix in suffixes and not SKIPPED & set(parts):
                found.append(path.relative_to(root))
    return sorted(set(found))


def sources(root):
    return files(root, ["src", "include", "tests", "bench"], {".c", ".h"})


def is_test(path):
    """Unit tests stand beside the code, the others in tests/; the bench knows no secret either."""
    return path.parts[0] in ("tests", "bench") or path.name.startswith("test_")


def blank(text, keep_strings=False):
    """The same text with comments (and strings) emptied; lines keep their numbers."""

    def empty(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token if keep_strings else token[0] * 2
        return "\n" * token.count("\n")

    return TOKEN.sub(empty, text)


def read(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


class Report:
    def __init__(self, name):
        self.name = name
        self.offences = 0

    def add(self, path, line, what):
        self.offences += 1
        print(f"{path}:{line}: {what}")

    def finish(self, looked_at):
        """Nothing looked at is an offence too: a check that sees nothing would always pass."""
        if not looked_at:
            self.offences += 1
            print(f"{self.name}: nothing to check")
        sys.exit(1 if self.offences else 0)
