"""Scalars as they may be written in a stack's file: the usual ones, and those that readers of YAML disagree about."""

from __future__ import annotations

import json
import random

_WORDS = (
    *("true", "True", "TRUE", "tRUE", "false", "null", "Null", "~", "nil", "none"),
    *("y", "Y", "n", "N", "yes", "Yes", "YES", "yEs", "no", "NO", "on", "On", "ON", "off", "OFF"),
    *(
        "=",
        "<<",
        "-",
        "--",
        "---x",
        ".",
        "..",
        "...x",
        "_",
        "__",
        "é",
        "日本",
        "🙂",
        "a b",
        "a: b",
        "a #b",
        "a#b",
        "#a",
    ),
    *(".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", "inf", "nan", "Infinity", "NaN"),
    *("0", "-0", "+0", "00", "007", "08", "0.0", "-0.0", "1.", ".5", "-.5", "+1", "1.0", "1.10", "0.1", "0.5", "1e5"),
    *(
        "1E+5",
        "1.5e3",
        "1e-3",
        ".5e1",
        "1_000",
        "1_",
        "_1",
        "1__0",
        "0x1F",
        "0X1f",
        "-0x1",
        "0b11",
        "0o17",
        "0O17",
        "017",
    ),
    *("9007199254740992", "9007199254740993", "-9007199254740992", "12345678901234567890", "012345678912", "1e400"),
    *("0.1234567890123456789", "123456.789", "0.00001", "0.0001", "1,000", "1 000", "1'000", "\u0663"),
    *("12:30", "12:30:45", "1:2", "190:20:30.15", "-1:30", "12:60", "24:00", "0:0", "12:", ":30", "12:30am"),
    *("2026-11-26", "2026-1-2", "2026-13-40", "2026-11-26T10:00:00Z", "2026-11-26 10:00", "2026-11", "26-11-2026"),
    *("2026-11-26t10:00:00", "2026-11-26 later", "2026-11-26T", "1.2.3", "127.0.0.1", "4f2a", "123e45", "12e4567"),
    *("sha256:0", "v1:a/b+c==", "http://127.0.0.1:8421", "${name}", "a@b.test", "%a", "@a", "`a", "!a", "&a", "*a"),
    *("[a]", "{a: b}", "a,b", "a]", "a}", "? a", "- a", "|a", ">a", "'", '"', "''", '""', "\\", "\\n", "a\tb", "a\\tb"),
)
_PIECES = (*"0123456789", *"+-._:eExobTZ ", "00", "60", "inf", "nan", "2026", "-11", "y", "no", "é")
_LINES = (
    *(
        "a",
        "b c",
        "  indented",
        "",
        "# no comment",
        "a: b",
        "- c",
        "é 🙂",
        "trailing \\",
        "'",
        '"',
        "12:30",
        " ",
        "end ",
    ),
    *(
        "\ttab",
        "a\tb",
        "a\rb",
        "\x07",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x7f",
        "\x9b",
        "\u200b",
        "\xa0",
        "---",
        "...",
        "...",
    ),
)


def written(seed: int, count: int) -> list[str]:
    """So many scalars as YAML, without the indentation of their first line; further lines have six spaces."""
    chance = random.Random(seed)
    found = [*_WORDS]
    while len(found) < count:
        text = "".join(chance.choices(_PIECES, k=chance.randint(1, 7))).strip()
        lines = chance.choices(_LINES, k=chance.randint(1, 4))
        form = chance.randrange(6)
        if form < 3:
            found.append(text or "0")
        elif form == 3:
            head = chance.choice("|>") + chance.choice(("", "-", "+"))
            found.append("\n".join((head, "      first", *(f"      {line}" for line in lines))))
        elif form == 4:
            found.append(json.dumps(chance.choice(("\n", "")).join(lines), ensure_ascii=chance.random() < 0.7))
        else:
            found.append("'" + "\n      ".join(line.replace("'", "''") for line in lines) + "'")
    return found
