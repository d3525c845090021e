#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The words of a unit's ExecStart= as systemd.service(5) reads them, one a line.

Quotes as in "a b" and 'a b', C escapes, %% for a per cent sign and $$ for a dollar sign. Any other
specifier or variable is an error here: nothing that is rendered may be replaced by something else.
"""

import re
import sys

LINE = re.compile(r"^ExecStart=(.*)$", re.M)
WORD = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+)""")
ESCAPES = {"n": "\n", "t": "\t", "s": " ", "\\": "\\", '"': '"', "'": "'"}


def unquote(word):
    text = b""
    quote = None
    at = 0
    while at < len(word):
        if word[at] in "\"'" and quote in (None, word[at]):
            quote = None if quote else word[at]
            at += 1
        elif word[at] == "\\":
            match = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))").match(word, at)
            text += bytes([int(match[1], 16)]) if match[1] else ESCAPES[match[2]].encode()
            at = match.end()
        else:
            text += word[at].encode()
            at += 1
    return text.decode()


def expand(word):
    if re.search(r"%[^%]", word.replace("%%", "")) or "$" in word.replace("$$", ""):
        sys.exit(f"something is replaced in {word}")
    return word.replace("%%", "%").replace("$$", "$")


def main():
    with open(sys.argv[1], encoding="utf-8") as unit:
        command = LINE.findall(unit.read())
    if len(command) != 1:
        sys.exit("not one ExecStart=")
    words = [match[1] for match in WORD.finditer(command[0])]
    for word in words:
        print(expand(unquote(word)))


main()
