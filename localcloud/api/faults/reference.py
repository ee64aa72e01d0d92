"""The table of faults, as the control API answers it and as the documentation prints it."""

from __future__ import annotations

from typing import Any

from localcloud.api.faults.kinds import FAULTS, Fault
from localcloud.api.faults.rule import FREQUENCY, MATCH


def reference() -> dict[str, Any]:
    """Every fault with its parameters, and what a rule may say besides."""
    return {
        "faults": [
            {
                "fault": fault.name,
                "about": fault.about,
                "strikes": _strikes(fault),
                "parameters": {
                    name: {"about": parameter.about, "allowed": parameter.allowed, "default": parameter.default}
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
    """The same in Markdown."""
    lines = ["| Fault | What happens | Strikes | Parameters |", "|---|---|---|---|"]
    for fault in FAULTS.values():
        parameters = "; ".join(
            f"`{name}`: {parameter.about}, {parameter.allowed}"
            + (f" (default `{parameter.default}`)" if parameter.default is not None else "")
            for name, parameter in fault.parameters.items()
        )
        if fault.one_of:
            parameters += "; exactly one of them"
        lines.append(f"| `{fault.name}` | {fault.about} | {_strikes(fault)} | {parameters} |")
    for title, rows in (("`match`", MATCH), ("How often", FREQUENCY)):
        lines += ["", f"| {title} | Meaning |", "|---|---|"]
        lines += [f"| `{name}` | {about} |" for name, about in rows.items()]
    return "\n".join(lines) + "\n"


def _strikes(fault: Fault) -> str:
    methods = ", ".join(fault.methods) or "every method"
    where = f"{fault.product} {fault.resource}" if fault.product else "every product"
    return f"{methods} on {where}"
