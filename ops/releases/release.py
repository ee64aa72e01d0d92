"""A release: that a stack was made to run certain images, by an apply that ended well. It is an annotated tag of git.

The tag is called ``<stack>/<day>.<n>``: the n-th of the day, in UTC. The first line of its message is for people, a
block of JSON at the end for this command.
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
    """The block of JSON. Keys that a later version adds are no reason not to read it."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)

    format: int = Field(default=_FORMAT, ge=1, le=_FORMAT)
    images: dict[str, Image] = Field(description="By name, what the stack was made to run.")
    plan: str = Field(description="The digest of the plan that was applied.")
    plan_id: str = Field(description="Which plan it was: each is applied once.")
    by: str = Field(description="Who applied it.")
    at: datetime


class Release(_Content):
    """A release of a stack."""

    stack: str
    day: date
    number: int = Field(ge=1, description="Of the day.")
    commit: str = Field(description="What was applied: the stack's file in it has the images and all else.")

    @property
    def name(self) -> str:
        """The tag's."""
        return f"{self.stack}/{self.day.isoformat()}.{self.number}"

    @property
    def order(self) -> tuple[date, int]:
        """Later releases of a stack are greater."""
        return self.day, self.number

    @property
    def summary(self) -> str:
        """What it runs, for people."""
        return ", ".join(f"{name} {short(image.version)}" for name, image in sorted(self.images.items()))

    @property
    def message(self) -> str:
        """The tag's."""
        content = self.model_dump(mode="json", by_alias=True, include=set(_Content.model_fields))
        return (
            f"Release {self.name}: {self.summary}\n\n"
            f"Applied by {safe(self.by)} on {self.at:%Y-%m-%d at %H:%M} UTC, plan {short(self.plan)}.\n\n"
            f"```snu-release\n{json.dumps(content, indent=1, sort_keys=True)}\n```\n"
        )

    @classmethod
    def parse(cls, tag: str, commit: str, message: str) -> Release | None:
        """None where the tag is somebody else's, or not as this command writes them."""
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
    """Stack, day and number in a tag's name; None where it is no release's."""
    found = _NAME.fullmatch(tag)
    if found is None:
        return None
    try:
        return found["stack"], date.fromisoformat(found["day"]), int(found["number"])
    except ValueError:
        return None
