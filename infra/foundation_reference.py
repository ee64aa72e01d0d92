"""What an environment takes from its foundation: another stack's outputs."""

from collections.abc import Mapping
from typing import Any

import pulumi


class FoundationReference:
    """The outputs of a foundation, for one of its environments.

    One that is missing fails with a `pulumi.RunError` that names it: Pulumi's own `require_output` says no
    more than its key.
    """

    def __init__(self, stack: str, environment: str) -> None:
        """`stack` is the bare name of the foundation's stack."""
        self._stack = stack
        self._environment = environment
        self._reference = pulumi.StackReference(stack)

    @property
    def project_id(self) -> pulumi.Output[str]:
        """The Scaleway project."""
        return self._require("projectId")

    @property
    def registry_endpoint(self) -> pulumi.Output[str]:
        """What the environment's images' references start with."""
        return self._require("registryEndpoints").apply(self._of_environment)

    @property
    def secret_id(self) -> pulumi.Output[str]:
        """The secret that holds the environment's document."""
        return self._plain("secretIds")

    @property
    def preview_namespace_id(self) -> pulumi.Output[str]:
        """The container namespace that previews share."""
        return self._require("previewNamespaceId")

    @property
    def alerts_secret_id(self) -> pulumi.Output[str]:
        """The secret with what the environment's crash alerts look at, and as whom."""
        return self._plain("alertsSecretIds")

    def zone(self, expected: str) -> pulumi.Output[str]:
        """The foundation's DNS zone; refuses another one than the environment's settings name."""

        def check(zone: str) -> str:
            if zone != expected:
                raise pulumi.RunError(f"snu:zone: found `{expected}`; allowed: `{zone}`, the zone of {self._stack}")
            return zone

        return self._require("zone").apply(check)

    def _plain(self, output: str) -> pulumi.Output[str]:
        """The environment's part of an output, without the reference as a dependency: with one, older engines leave
        what is read by this id unknown in a preview."""

        async def read() -> str:
            details = await self._reference.get_output_details(output)
            return self._of_environment(self._present(output, details.value))

        return pulumi.Output.from_input(read())

    def _require(self, output: str) -> pulumi.Output[Any]:
        return self._reference.get_output(output).apply(lambda value: self._present(output, value))

    def _present(self, output: str, value: Any) -> Any:
        if value is None:
            raise pulumi.RunError(f"the stack {self._stack} has no output `{output}`: bring that stack up first")
        return value

    def _of_environment(self, values: Mapping[str, Any]) -> str:
        if self._environment not in values:
            raise pulumi.RunError(
                f"the stack {self._stack} has no environment `{self._environment}`; it has: {', '.join(values)}"
            )
        return str(values[self._environment])
