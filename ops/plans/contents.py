"""A plan file's content: the planned changes and the evidence that nothing else has changed since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.canonical_json import digest
from ops.plans.sealed_file import refused
from ops.state.fingerprint import Fingerprint
from ops.steps import Step

_SHORT = 12
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Plan(BaseModel):
    """A plan before encryption and signing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=_UUID, description="Unique id that prevents a second apply; part of keys in the store.")
    stack: str
    project: str
    engine: str = Field(description="Engine that created the plan; only the same engine may apply it.")
    backend: str = Field(description="Address of the state backend, without credentials.")
    author: str = Field(description="Name of the planner in Git or CI.")
    created: datetime
    expires: datetime
    commit: str
    tree: str = Field(description="Git tree of the planned files.")
    dirty: bool = Field(description="Whether the files had uncommitted changes.")
    config: dict[str, Any] = Field(
        description="The stack's configuration, including image digests; secure values stay encrypted."
    )
    salt: str = Field(description="Encryption salt of the stack's secrets.")
    state: Fingerprint = Field(description="Fingerprint of the state that the plan is based on.")
    images: dict[str, bool] = Field(description="Images that will run, and whether each exists in its registry.")
    operations: dict[str, str] = Field(description="Keyed digest of each resource's planned changes, by URN.")
    steps: list[dict[str, Any]] = Field(description="The preview's steps as in engine events, without secrets.")
    update_plan: str = Field(description="The engine's update plan.")

    @property
    def digest(self) -> str:
        """Digest of the changes, independent of the planner and the time of planning."""
        return digest({"stack": self.stack, "backend": self.backend, "operations": self.operations})

    @property
    def short_digest(self) -> str:
        return self.digest[:_SHORT]

    def parsed_steps(self) -> list[Step]:
        return [Step.of({"metadata": metadata}) for metadata in self.steps]

    def content(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def of(cls, content: dict[str, Any]) -> Plan:
        """Parse a plan. Raises OpsError if a different version of snu wrote the content."""
        try:
            return cls.model_validate(content, strict=False)
        except ValidationError as error:
            fields = ", ".join(sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]}))
            raise refused(
                f"A different version of snu created this plan (differing fields: {fields}). Create a new plan: "
                "`scripts/snu plan STACK --out FILE`."
            ) from None
