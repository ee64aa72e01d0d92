"""Writes stack files for tests."""

from __future__ import annotations

from typing import Any

import yaml

from pulumi_state.yaml_file import reads_as_written


class _Dumper(yaml.SafeDumper):
    """Writes an object that occurs twice twice, and quotes whatever is not a string to every reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = None if reads_as_written(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def stack_yaml(document: Any) -> str:
    """A stack's file as it is written by hand: no anchors, keys in their order."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
