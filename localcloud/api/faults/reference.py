"""The table of faults, for the control API and the documentation."""

from __future__ import annotations

from typing import Any

from localcloud.api.faults.kinds import FAULTS, Fault
from localcloud.api.faults.rule import FREQUENCY, MATCH


def reference() -> dict[str, Any]:
    """All faults with their parameters, and the other fields of a rule."""
    return {
        "faults": [
            {
                "fault": fault.name,
                "about": fault.description,
                "strikes": _scope(fault),
                "parameters": {
                    name: {"about": parameter.description, "allowed": parameter.allowed, "default": parameter.default}
                    for name, parameter in fault.parameters.items()
                },
                "exactly_one_of": list(fault.one_of),
            }
            for fault in FAULTS.values()
        ],
        "match": MATCH,
        "frequency": FREQUENCY,
    }


def tables() -> str:
    """The same reference as Markdown tables."""
    lines = ["| Fault | Effect | Applies to | Parameters |", "|---|---|---|---|"]
    for fault in FAULTS.values():
        parameters = "; ".join(
            f"`{name}` ({parameter.allowed}"
            + (f", default `{parameter.default}`" if parameter.default is not None else "")
            + f"): {parameter.description}"
            for name, parameter in fault.parameters.items()
        )
        if fault.one_of:
            parameters += "; exactly one is required"
        lines.append(f"| `{fault.name}` | {fault.description} | {_scope(fault)} | {parameters} |")
    for title, rows in (("`match`", MATCH), ("Frequency", FREQUENCY)):
        lines += ["", f"| {title} | Meaning |", "|---|---|"]
        lines += [f"| `{name}` | {description} |" for name, description in rows.items()]
    return "\n".join(lines) + "\n"


def _scope(fault: Fault) -> str:
    methods = ", ".join(fault.methods) or "all methods"
    target = f"{fault.product}.{fault.resource}" if fault.product else "all products"
    return f"{methods} on {target}"
