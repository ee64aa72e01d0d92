"""What a plan's file holds: all that is needed to prove later that nothing has changed."""

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
    """A plan, as it is encrypted and signed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=_UUID, description="Unique: a plan is applied once. Part of a key in the store.")
    stack: str
    project: str
    engine: str = Field(description="The engine that planned, and that must apply.")
    backend: str = Field(description="Where the stack's state is kept, without a login.")
    author: str = Field(description="Who planned, as git or CI names them.")
    created: datetime
    expires: datetime
    commit: str
    tree: str = Field(description="git's tree of the files that it was made of.")
    dirty: bool = Field(description="Whether these were not all committed.")
    config: dict[str, Any] = Field(
        description="The stack's configuration, image digests included; secure values stay encrypted."
    )
    salt: str = Field(description="Of the stack's secrets.")
    state: Fingerprint = Field(description="Of the state that it starts from.")
    images: dict[str, bool] = Field(description="The images that will run, and whether their registry had them.")
    operations: dict[str, str] = Field(description="By resource, a keyed digest of all that is planned for it.")
    steps: list[dict[str, Any]] = Field(description="The preview's steps as engine events have them, without secrets.")
    update_plan: str = Field(description="The engine's own plan.")

    @property
    def digest(self) -> str:
        """Of what it does, wherever and whenever it was planned: the same plan again has the same digest."""
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
        """Raises OpsError when the content is of another version of this command."""
        try:
            return cls.model_validate(content, strict=False)
        except ValidationError as error:
            fields = ", ".join(sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]}))
            raise refused(
                f"The plan was written by another version of snu: {fields} differ. Plan again with this version."
            ) from None
