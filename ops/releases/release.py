"""A release: the images deployed to a stack by a successful apply, recorded as an annotated Git tag.

The tag name is ``<stack>/<day>.<n>``, for the n-th release of the day in UTC. The tag message begins with a
human-readable summary and ends with a JSON block for this command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from infra.settings import Image
from ops.report.text import safe, short

_NAME = re.compile(r"(?P<stack>[A-Za-z0-9_-]+)/(?P<day>\d{4}-\d{2}-\d{2})\.(?P<number>[1-9]\d{0,5})")
_BLOCK = re.compile(r"^```snu-release\n(?P<json>.*?)\n```$", re.DOTALL | re.MULTILINE)
_FORMAT = 1


class _Content(BaseModel):
    """The JSON block. Unknown keys, which later versions may add, are ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)

    format: int = Field(default=_FORMAT, ge=1, le=_FORMAT)
    images: dict[str, Image] = Field(description="The deployed images, by name.")
    plan: str = Field(description="Digest of the applied plan.")
    plan_id: str = Field(description="ID of the applied plan.")
    by: str = Field(description="Name of the applier.")
    at: datetime


class Release(_Content):
    """A release of a stack."""

    stack: str
    day: date
    number: int = Field(ge=1, description="Sequence number on that day.")
    commit: str = Field(description="The applied commit, which contains the stack's file.")

    @property
    def name(self) -> str:
        """The tag's name."""
        return f"{self.stack}/{self.day.isoformat()}.{self.number}"

    @property
    def order(self) -> tuple[date, int]:
        """Sort key; later releases of a stack compare greater."""
        return self.day, self.number

    @property
    def summary(self) -> str:
        """The images and their versions, on one line."""
        return ", ".join(f"{name} {short(image.version)}" for name, image in sorted(self.images.items()))

    @property
    def message(self) -> str:
        """The tag's message."""
        content = self.model_dump(mode="json", by_alias=True, include=set(_Content.model_fields))
        return (
            f"Release {self.name}: {self.summary}\n\n"
            f"Applied by {safe(self.by)} on {self.at:%Y-%m-%d at %H:%M} UTC, plan {short(self.plan)}.\n\n"
            f"```snu-release\n{json.dumps(content, indent=1, sort_keys=True)}\n```\n"
        )

    @classmethod
    def parse(cls, tag: str, commit: str, message: str) -> Release | None:
        """The release, or None if the tag is not a release or was not written by this command."""
        name, block = name_parts(tag), _BLOCK.search(message.replace("\r\n", "\n"))
        if name is None or block is None:
            return None
        stack, day, number = name
        try:
            content: Any = json.loads(block["json"])
            if not isinstance(content, Mapping):
                return None
            return cls.model_validate({**content, "stack": stack, "day": day, "number": number, "commit": commit})
        except (ValueError, ValidationError, RecursionError):
            return None


def name_parts(tag: str) -> tuple[str, date, int] | None:
    """Stack, day and number from a tag name; None if the tag is not a release."""
    match = _NAME.fullmatch(tag)
    if match is None:
        return None
    try:
        return match["stack"], date.fromisoformat(match["day"]), int(match["number"])
    except ValueError:
        return None
