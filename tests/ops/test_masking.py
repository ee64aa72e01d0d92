"""No secret of an engine's environment is in what the engine's output becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.engines.masking import Mask

_TEXT = st.text(min_size=6, max_size=20)
_VARIABLES = ("PULUMI_CONFIG_PASSPHRASE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SCW_SECRET_KEY")


@given(_TEXT, st.sampled_from(_VARIABLES), st.sampled_from((str, json.dumps, quote)))
def test_a_secret_is_masked_however_it_is_printed(secret: str, variable: str, printed: Callable[[str], str]) -> None:
    mask = Mask({variable: secret})
    masked = "[secret]" if printed is not json.dumps else '"[secret]"'
    assert mask.text(printed(secret)) == masked
    assert mask.value({"a": [printed(secret), 1, None]}) == {"a": [masked, 1, None]}


@pytest.mark.parametrize("password", ["hunter2secret", "a", "p%40ss%2Fword", "p@ss/word", 'with "quotes"'])
def test_a_backends_password_is_masked(password: str) -> None:
    url = f"postgres://someone:{password}@127.0.0.1:5432/db?sslmode=disable"
    masked = Mask({"PULUMI_BACKEND_URL": url}).text(f'cannot open "{url}"')
    assert masked == 'cannot open "postgres://[secret]@127.0.0.1:5432/db?sslmode=disable"'


def test_a_passphrase_in_a_file_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    assert Mask({"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}).text("is correct horse.") == "is [secret]."


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PULUMI_CONFIG_PASSPHRASE": "", "SCW_SECRET_KEY": ""},
        {"PULUMI_CONFIG_PASSPHRASE": "local"},
        {"PULUMI_CONFIG_PASSPHRASE_FILE": "/nowhere"},
        {"PULUMI_BACKEND_URL": "file:///state", "SCW_ACCESS_KEY": "SCWXXXXXXXXXXXXXXXXX"},
        {"PULUMI_BACKEND_URL": "postgres://someone@127.0.0.1/local"},
    ],
)
def test_what_is_no_secret_is_left(environ: dict[str, str]) -> None:
    text = "local: file:///state of someone, see https://a:1@b, key SCWXXXXXXXXXXXXXXXXX"
    assert Mask(environ).text(text) == text
