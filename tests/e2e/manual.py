"""The manual pages as data: sections, the tags of their lists, the commands of their examples."""

import dataclasses
import re

import support

PAGES = {name: support.ROOT / "ui" / name for name in ("forktrace.1", "forktrace-records.5")}

ESCAPES = {r"\-": "-", r"\(aq": "'", r"\(dq": '"', r"\(lq": "“", r"\(rq": "”", r"\e": "\\", r"\(bu": "•", r"\c": ""}


def plain(text):
    """A line's text without escapes and fonts."""
    text = re.sub(r"\\f[BIRP]", "", text)
    return re.sub(r"\\\(..|\\.", lambda match: ESCAPES[match.group()], text)


def words_of(line):
    """The text of a line that a font macro may begin: .BR a ", " b is "a, b", .B a b is "a b"."""
    match = re.match(r"\.([BIR]{1,2}) (.*)", line)
    if not match:
        return plain(line)
    parts = re.findall(r'"((?:[^"]|"")*)"|(\S+)', match.group(2))
    return plain(("" if len(match.group(1)) == 2 else " ").join(quoted or bare for quoted, bare in parts))


@dataclasses.dataclass
class Item:
    """An entry of a list: its tag, and the text below it."""

    tag: str
    text: str


def sections(page):
    """{heading: its lines}, of .SH and .SS alike; a .SH holds what stands before its first .SS."""
    found, lines = {}, None
    for line in PAGES[page].read_text().splitlines():
        match = re.match(r"\.S[HS] (.*)", line)
        if match:
            lines = found.setdefault(plain(match.group(1)).strip('"'), [])
        elif lines is not None and not line.startswith('.\\"'):
            lines.append(line)
    return found


def items(lines):
    """The list entries (.TP) of a section."""
    found = []
    for place, line in enumerate(lines):
        if line != ".TP":
            continue
        end = next((later for later in range(place + 1, len(lines)) if lines[later] == ".TP"), len(lines))
        found.append(Item(words_of(lines[place + 1]), " ".join(map(words_of, lines[place + 2:end]))))
    return found


def options():
    """The short and long options that the page's section OPTIONS explains."""
    found = set()
    for heading, lines in between("forktrace.1", "OPTIONS", "THE TEXT REPORT").items():
        del heading
        for item in items(lines):
            found |= set(re.findall(r"(?:^|[ ,])(--?[\w?][\w-]*)", item.tag))
    return found


def between(page, first, end):
    """The sections from `first` up to, and without, `end`."""
    headings = list(sections(page).items())
    names = [name for name, _ in headings]
    return dict(headings[names.index(first):names.index(end)])


def examples(page):
    """[(command, what is said of it)]"""
    return [(item.tag, item.text) for item in items(sections(page)["EXAMPLES"])]


def displays(lines):
    """The blocks of text as they are (.nf to .fi)."""
    text = "\n".join(lines)
    return ["\n".join(map(plain, block.splitlines())) for block in re.findall(r"^\.nf\n(.*?)\n\.fi$", text, re.S | re.M)]
