"""How the commands of a document are found and split into statements, and how the shell runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.commands import DocumentError, Statement, split, statements
from tests.docs.machine import at_port
from tests.docs.shell import Shell


def split_lines(block: str) -> list[Statement]:
    return list(split("page.md", 1, block.splitlines()))


def sources(block: str) -> list[str]:
    return [statement.source for statement in split_lines(block)]


def read(folder: Path, text: str) -> list[Statement]:
    page = folder / "page.md"
    page.write_text(text)
    return statements(page, folder)


@pytest.mark.parametrize(
    "statement",
    [
        "curl -s \\\n  http://localhost",
        "curl -s http://localhost |\n  python3 -m json.tool",
        "cd apps &&\n  npm ci",
        "id=$(curl -s http://localhost |\n  python3 -c 'import sys')",
        "python3 -c 'import sys\n# no comment of the shell\nprint(1)'",
        'echo "first\n\n# third"',
        "for each in a b\ndo\n  echo $each\ndone",
        "if true; then\n  # a comment inside\n  echo yes\nfi",
        "cat >file <<EOF\nfirst 'line\n# second\nEOF",
        "cat >file <<'END' &&\n$(not run\nEND\n  cat file",
    ],
)
def test_a_statement_spans_lines_until_it_is_complete(statement: str) -> None:
    assert sources(f"echo before\n{statement}\necho after") == ["echo before", statement, "echo after"]


def test_each_line_is_a_statement_of_its_own() -> None:
    assert sources("a=1\nexport B=$a\n\necho $B; echo 2") == ["a=1", "export B=$a", "echo $B; echo 2"]


def test_comments_are_in_the_source_only() -> None:
    block = "# of a line\n\n  # indented\nscripts/snu up STACK  # or destroy\necho '# quoted' \"#\" a#b"
    assert [(each.line, each.source, each.code) for each in split_lines(block)] == [
        (4, "scripts/snu up STACK  # or destroy", "scripts/snu up STACK"),
        (5, "echo '# quoted' \"#\" a#b", "echo '# quoted' \"#\" a#b"),
    ]


def test_a_comment_states_another_status_than_0() -> None:
    block = "true  # exit status 0 when it runs\nfalse  # exits with status 1: no file\necho exits with status 2"
    assert [statement.status for statement in split_lines(block)] == [0, 1, 0]


def test_only_blocks_of_sh_are_read(tmp_path: Path) -> None:
    text = """
```sh
echo 1
```

Its output:

```
$ echo no command
```

1. In a list:

   ```sh
   echo 2 \\
     3
   ```

```yaml
echo: no
```
"""
    assert [(each.line, each.source) for each in read(tmp_path, text)] == [(3, "echo 1"), (15, "echo 2 \\\n  3")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```sh\necho 'open\n\necho 2\n```\n", "page.md:2: bash cannot parse"),
        ("```sh\necho\ndone\n```\n", "page.md:3: bash cannot parse"),
        ("\n```bash\necho\n```\n", "page.md:2: a block of bash"),
        ("```sh\necho\n", "page.md:1: the block is not closed"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read(tmp_path, text)


def test_only_the_ports_of_the_local_scaleway_are_replaced() -> None:
    assert at_port("http://127.0.0.1:8421/a http://x:8422, 18421 84210", 20_000) == (
        "http://127.0.0.1:20000/a http://x:20001, 18421 84210"
    )


def test_variables_functions_and_the_folder_outlive_a_statement(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with Shell(tmp_path, dict(os.environ)) as shell:
        for statement in ("cd below", "export A='1\n2'", "f() { echo f; }", "eval 'b=3'"):
            assert shell.run(statement).status == 0
        ended = shell.run('pwd; printenv A; echo "$b"; f  # a comment')
    assert ended.output == f"{tmp_path}/below\n1\n2\n3\nf\n"


def test_the_status_and_all_output_of_a_statement_are_returned(tmp_path: Path) -> None:
    with Shell(tmp_path, dict(os.environ)) as shell:
        assert shell.run("echo out; echo err >&2; (exit 7)") == (7, "out\nerr\n")
        assert shell.run("false | true").status == 1
        assert shell.run("seq 20000").output.endswith("\n19999\n20000\n")
        assert shell.run("exit 3").status is None


def test_questions_are_answered_at_a_terminal(tmp_path: Path) -> None:
    ask = 'test -t 0 && printf "Sure? [y/N] " && read -r answer && echo "$answer"'
    with Shell(tmp_path, dict(os.environ)) as shell:
        assert shell.run(f"{ask} && {ask}") == (0, "Sure? [y/N] y\nSure? [y/N] y\n")


def test_a_block_of_output_belongs_to_the_last_command_before_it(tmp_path: Path) -> None:
    text = "```sh\ntrue\nscripts/snu up local\n```\n\n```output\nDone: … created\n…\n\nContainers\n```\n"
    first, second = read(tmp_path, text)
    assert (first.output, second.output) == ((), ("Done: … created", "Containers"))


@pytest.mark.parametrize(
    ("output", "missing"),
    [
        ("more\nDone: 28 created\nmore\nContainers\n", []),
        ("Containers\nDone: 28 created\n", ["Containers"]),
        ("Done: 28 deleted\nContainers\n", ["Done: … created"]),
        ("Done: 28 created or not\nContainers: none\n", ["Done: … created", "Containers"]),
    ],
)
def test_quoted_lines_that_a_command_no_longer_prints_are_named(output: str, missing: list[str]) -> None:
    quoted = ("Done: … created", "Containers")
    assert Statement("page.md", 1, "true", "true", quoted).missing_lines(output) == missing


def test_output_without_a_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"page\.md:2: a block of output without a command"):
        read(tmp_path, "```output\nDone\n```\n")
