"""Renders the pictures of README.md from real output: ``.venv/bin/python -m tests.docs.pictures``.

Needs Chromium on PATH. Works on a copy of the project with its own local Scaleway.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from tests.lab.lab import Lab
from tests.support.environment import ROOT

PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 100
COMMAND = "scripts/snu preview local"

_CONTROL = re.compile(r"\x1b\[\??(\d*)(?:;\d+)*([A-Za-z])|\r|\n|[^\x1b\r\n]+")

_DIFF_COLOURS = {"-": "#ffebe9", "+": "#dafbe1"}
_STYLE = """
body { margin: 0; padding: 16px; width: 820px; font: 14px/1.5 'DejaVu Sans', sans-serif; color: #1f2328; }
.comment { border: 1px solid #d0d7de; border-radius: 6px; padding: 12px 16px; }
code { font: 85% 'DejaVu Sans Mono', monospace; background: #eff1f3; border-radius: 4px; padding: 2px 4px; }
pre { background: #f6f8fa; border-radius: 6px; padding: 12px; } pre code { background: none; padding: 0; }
.line { display: inline-block; width: 100%; }
table { border-collapse: collapse; } td, th { border: 1px solid #d0d7de; padding: 4px 10px; }
"""


def change_settings(lab: Lab) -> None:
    """The change that the pictures show: more memory for one app, and a new app."""
    lab.project.edit("local", "      memory: 4096\n", "      memory: 3072\n")
    mailer = "    mailer: {image: api, cpu: 256, memory: 512, host: mailer.local.snu.localhost}\n"
    lab.project.edit("local", "  snu:crashAlerts:", f"{mailer}  snu:crashAlerts:")


def preview_svg(lab: Lab) -> str:
    """What the command shows on a terminal."""
    output = StringIO()
    console = Console(record=True, width=COLUMNS, file=output, force_terminal=True)
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(_final_screen(_on_terminal(lab))))
    svg = console.export_svg(title="snu", theme=DIMMED_MONOKAI, unique_id="preview")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # fonts on the internet


def comment_png(lab: Lab, path: Path) -> None:
    """What the same change reads like in a comment on a pull request."""
    run = lab.project.snu("preview", "local", "--engine", "embedded", "--markdown", "-")
    markdown = run.stdout.replace(str(lab.project.port), "8421")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    body = re.sub(r"^(?:<pre><code[^>]*>)?([-+]) .*$", _coloured, body, flags=re.MULTILINE)
    page = f"<meta charset='utf-8'><style>{_STYLE}</style><div class='comment'>{body}</div>"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 860, "height": 100})
        view.set_content(page)
        view.locator("body").screenshot(path=path)
        browser.close()


def _coloured(line: re.Match[str]) -> str:
    """A line of a diff on GitHub's background for removed or added lines."""
    opening, _, rest = line[0].partition(f"{line[1]} ")
    return f"{opening}<span class='line' style='background: {_DIFF_COLOURS[line[1]]}'>{line[1]} {rest}</span>"


def _on_terminal(lab: Lab) -> str:
    """Everything that the command writes to a terminal of `COLUMNS` columns."""
    leader, follower = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "60"}
    command = [
        sys.executable,
        "-m",
        "ops",
        "preview",
        "local",
        "--engine",
        "embedded",
        "-C",
        str(lab.project.directory),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    written = bytearray()
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    process.wait()
    os.close(leader)
    return written.decode()


def _final_screen(written: str) -> str:
    """The lines that are left on the screen, with their colours: progress lines have been erased."""
    lines, row = [""], 0
    for token in _CONTROL.finditer(written):
        text, final = token[0], token[2]
        if text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text == "\r":
            continue
        elif final == "A":
            row = max(0, row - int(token[1] or 1))
        elif final == "K":
            lines[row] = ""
        elif final in (None, "m"):
            lines[row] += text
    return "\n".join(lines).rstrip()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Lab.running(Path(folder) / "project") as lab:
        for stack in ("foundation-local", "local"):
            lab.up_ok(stack)
        change_settings(lab)
        svg = preview_svg(lab).replace(str(lab.project.port), "8421")
        (PICTURES / "preview.svg").write_text(svg)
        comment_png(lab, PICTURES / "comment.png")


if __name__ == "__main__":
    main()
