"""What an environment takes from its foundation: another stack's outputs."""

from collections.abc import Mapping
from typing import Any

import pulumi


class FoundationReference:
    """The outputs of a foundation, for one of its environments. A missing one is an error that names it."""

    def __init__(self, stack: str, environment: str) -> None:
        """`stack` is the bare name of the foundation's stack."""
        self._stack = stack
        self._environment = environment
        self._reference = pulumi.StackReference(stack)

    @property
    def project_id(self) -> pulumi.Output[str]:
        """The Scaleway project."""
        return self._reference.require_output("projectId")

    @property
    def registry_endpoint(self) -> pulumi.Output[str]:
        """What the environment's images' references start with."""
        return self._of_environment("registryEndpoints")

    @property
    def secret_id(self) -> pulumi.Output[str]:
        """The secret that holds the environment's document.

        A plain value, without the reference as a dependency: with one, older engines leave what is read by
        this id unknown in a preview.
        """

        async def read() -> str:
            details = await self._reference.get_output_details("secretIds")
            return self._pick(details.value or {})

        return pulumi.Output.from_input(read())

    @property
    def preview_namespace_id(self) -> pulumi.Output[str]:
        """The container namespace that previews share."""
        return self._reference.require_output("previewNamespaceId")

    def zone(self, expected: str) -> pulumi.Output[str]:
        """The foundation's DNS zone; refuses another one than the environment's settings name."""

        def check(zone: str) -> str:
            if zone != expected:
                raise pulumi.RunError(f"snu:zone: found `{expected}`; allowed: `{zone}`, the zone of {self._stack}")
            return zone

        return self._reference.require_output("zone").apply(check)

    def _of_environment(self, output: str) -> pulumi.Output[str]:
        return self._reference.require_output(output).apply(self._pick)

    def _pick(self, values: Mapping[str, Any]) -> str:
        if self._environment not in values:
            known = ", ".join(values) or "none: is it up?"
            raise pulumi.RunError(f"{self._stack} has no environment `{self._environment}`; it has: {known}")
        return str(values[self._environment])
