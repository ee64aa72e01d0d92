"""Every suppressed check names its rule and the reason."""

import io
import re
import tokenize

import pytest

from tests.support.environment import ROOT
from tests.support.source_files import product_packages, source_files

_SUPPRESSION = re.compile(r"# (noqa|type: ignore|pragma: no cover)")
_WITH_REASON = (
    re.compile(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S"),
    re.compile(r"# type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # \S"),
)


def unexplained(source: str) -> list[int]:
    """Numbers of the lines whose suppression lacks a rule or a reason."""
    comments = (
        token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT
    )
    return [
        token.start[0]
        for token in comments
        if _SUPPRESSION.search(token.string) and not any(form.search(token.string) for form in _WITH_REASON)
    ]


def test_every_suppression_has_its_reason() -> None:
    folders = (*product_packages(ROOT), "apps", "benchmarks", "examples", "tests")
    paths = [ROOT / "__main__.py", *(path for folder in folders for path in source_files(ROOT / folder))]
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in unexplained(path.read_text())]
    assert found == [], "write `# noqa: RULE - reason` or `# type: ignore[code]  # reason`"


@pytest.mark.parametrize(
    ("comment", "explained"),
    [
        ("# noqa: S311 - not for cryptography", True),
        ("# noqa: C901, PLR0912 - a table", True),
        ("# type: ignore[arg-type]  # the stubs lack None", True),
        ("# noqa: S311", False),
        ("# noqa", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# an ordinary comment", True),
    ],
)
def test_forms_of_suppressions(comment: str, explained: bool) -> None:
    assert (unexplained(f"x = 1  {comment}\n") == []) is explained
