"""The component package: Pulumi's provider host, with checks for arguments that it would silently misread."""

import difflib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Inputs
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.output import Unknown
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, PropertyType
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from .alerts import CrashAlerts
from .alerts_access import AlertsAccess
from .backend_bucket import BackendBucket
from .backend_database import BackendDatabase
from .backend_instance import BackendInstance
from .component import PACKAGE, Component
from .containers import ContainerApp
from .iam import DeployAccess, FoundationPreviewAccess, PreviewsAccess
from .images import AppImage
from .jobs import ScheduledJob
from .logs_access import LogsAccess
from .observability import Observability
from .registry import Registry
from .secrets import EnvironmentSecrets

COMPONENTS: list[type[Component]] = [
    AlertsAccess,
    AppImage,
    BackendBucket,
    BackendDatabase,
    BackendInstance,
    ContainerApp,
    CrashAlerts,
    DeployAccess,
    EnvironmentSecrets,
    FoundationPreviewAccess,
    LogsAccess,
    Observability,
    PreviewsAccess,
    Registry,
    ScheduledJob,
]
VERSION = "0.1.0"

_KINDS: dict[PropertyType, tuple[str, type | tuple[type, ...]]] = {
    PropertyType.STRING: ("a string", str),
    PropertyType.INTEGER: ("an integer", (int, float)),
    PropertyType.NUMBER: ("a number", (int, float)),
    PropertyType.BOOLEAN: ("true or false", bool),
    PropertyType.OBJECT: ("an object", Mapping),
    PropertyType.ARRAY: ("a list", Sequence),
}


class ComponentPackage(ComponentProvider):
    """The components as a package. Rejects arguments that the host would drop or misread."""

    def __init__(self) -> None:
        """Derive the package's schema from the components' annotations and docstrings."""
        super().__init__([*COMPONENTS], PACKAGE, version=VERSION)
        self.schema = json.dumps(json.loads(self.schema or "{}", object_hook=_without_indentation))

    def construct(
        self, name: str, resource_type: str, inputs: Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Register a component. Raises InputPropertiesError, which lists all invalid arguments."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, pulumi.RunError):
                raise InputPropertiesError(str(error.inner), []) from None
            raise

    def map_inputs(self, inputs: Inputs, component_def: ComponentDefinition) -> Inputs:
        """Check the arguments and convert their names to snake case."""
        problems = list(self._problems(inputs, component_def.inputs, ""))
        if problems:
            raise InputPropertiesError(f"invalid arguments of {component_def.name}", problems)
        return super().map_inputs(inputs, component_def)

    def map_input_properties(
        self,
        inputs: Inputs,
        properties: dict[str, PropertyDefinition],
        mapping: dict[str, str],
        component_name: str,
        property_path: str,
    ) -> Inputs:
        """Convert names to snake case and integers, which arrive as floats, to `int`.

        The host would not convert integers that are outputs.
        """
        whole = {name for name, definition in properties.items() if definition.type is PropertyType.INTEGER}
        others = {name: definition for name, definition in properties.items() if name not in whole}
        mapped = dict(super().map_input_properties(inputs, others, mapping, component_name, property_path))
        for name in whole & inputs.keys():
            value: Any = inputs[name]
            mapped[mapping[name]] = pulumi.Output.from_input(value).apply(int) if _is_output(value) else int(value)
        return mapped

    def _problems(
        self, inputs: Mapping[str, Any], properties: Mapping[str, PropertyDefinition], path: str
    ) -> Iterator[InputPropertyErrorDetails]:
        for name in inputs.keys() - properties.keys():
            close = difflib.get_close_matches(name, properties, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(properties))}"
            yield {"property_path": f"{path}{name}", "reason": f"unknown argument{hint}"}
        for name, definition in properties.items():
            value = inputs.get(name)
            if value is not None:
                yield from self._problems_of(value, definition, f"{path}{name}")
            elif not definition.optional:
                yield {"property_path": f"{path}{name}", "reason": "required, but missing"}

    def _problems_of(
        self, value: Any, definition: PropertyDefinition, path: str
    ) -> Iterator[InputPropertyErrorDetails]:
        if _is_output(value):
            if definition.plain:
                reason = "must be a plain value, not an output: it decides which resources exist"
                yield {"property_path": path, "reason": reason}
            return
        kind, types = _KINDS[definition.type or PropertyType.OBJECT]
        is_other = not isinstance(value, types) or (isinstance(value, bool) and types is not bool)
        if is_other or (definition.type is PropertyType.INTEGER and int(value) != value):
            yield {"property_path": path, "reason": f"must be {kind}, not {value!r}"}
        elif definition.ref:
            nested = self.get_type_definition(definition)
            assert nested is not None, "the components accept no resources or assets"
            yield from self._problems(value, nested.properties, f"{path}.")
        elif definition.items:
            for number, item in enumerate(value):
                yield from self._problems_of(item, definition.items, f"{path}[{number}]")
        elif definition.additional_properties:
            for key, item in value.items():
                yield from self._problems_of(item, definition.additional_properties, f"{path}.{key}")


def _is_output(value: Any) -> bool:
    return isinstance(value, pulumi.Output | Unknown)


def _without_indentation(described: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema without the docstring's indentation, which the host keeps in the description."""
    description = described.get("description")
    return described | {"description": inspect.cleandoc(description)} if isinstance(description, str) else described


def serve(arguments: list[str]) -> None:
    """Serve the package until the engine stops the process; `arguments` come from the language host."""
    main(ComponentPackage(), arguments)
