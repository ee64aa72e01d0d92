"""Error responses in the format that the official SDKs decode: ``type``, ``message``, and type-specific fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ApiError(Exception):
    """An error response; ``body`` is its JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = body

    @property
    def reason(self) -> str:
        """One line for the log: type, message and resource. It contains no values sent by the client."""
        parts = [str(self.body.get("type", "")), str(self.body.get("message", ""))]
        parts += [" ".join(str(value) for value in detail.values() if value) for detail in self.body.get("details", [])]
        parts += [str(self.body[key]) for key in ("resource", "resource_id", "help_message") if key in self.body]
        return "; ".join(part for part in parts if part)


class EngineError(Exception):
    """The container engine failed; the message is a clause that states the reason."""


class StartError(Exception):
    """The server cannot start; the message explains why and what to do."""


@dataclass(frozen=True)
class Problem:
    """An invalid argument. ``reason`` is ``required``, ``format``, ``constraint`` or ``unknown``."""

    argument: str
    help: str = ""
    reason: str = "constraint"


def invalid_arguments(*problems: Problem) -> ApiError:
    details = [
        {"argument_name": problem.argument, "reason": problem.reason, "help_message": problem.help}
        for problem in problems
    ]
    return ApiError(400, {"type": "invalid_arguments", "message": "invalid argument(s)", "details": details})


def invalid(argument: str, help_message: str) -> ApiError:
    return invalid_arguments(Problem(argument, help_message))


def plain(status: int, message: str) -> ApiError:
    """An error without a type. Clients display the message and use it to decide whether to retry."""
    return ApiError(status, {"message": message})


def not_found(resource: str, resource_id: str) -> ApiError:
    return ApiError(
        404,
        {
            "type": "not_found",
            "message": "resource is not found",
            "resource": resource,
            "resource_id": resource_id,
        },
    )


def already_exists(resource: str, resource_id: str, help_message: str) -> ApiError:
    return ApiError(
        409,
        {
            "type": "already_exists",
            "message": f"resource already exists: {help_message}",
            "resource": resource,
            "resource_id": resource_id,
            "help_message": help_message,
        },
    )


def transient_state(resource: str, resource_id: str, current_state: str) -> ApiError:
    return ApiError(
        409,
        {
            "type": "transient_state",
            "message": "resource is in a transient state",
            "resource": resource,
            "resource_id": resource_id,
            "current_state": current_state,
        },
    )


def precondition_failed(precondition: str, help_message: str) -> ApiError:
    return ApiError(
        412,
        {
            "type": "precondition_failed",
            "message": "precondition is not respected",
            "precondition": precondition,
            "help_message": help_message,
        },
    )


def quotas_exceeded(resource: str, quota: int, current: int) -> ApiError:
    details = [{"resource": resource, "quota": quota, "current": current}]
    return ApiError(403, {"type": "quotas_exceeded", "message": "quota exceeded", "details": details})


def permissions_denied(resource: str = "", action: str = "") -> ApiError:
    details = [{"resource": resource, "action": action}] if resource else []
    return ApiError(403, {"type": "permissions_denied", "message": "insufficient permissions", "details": details})


def denied_authentication(reason: str) -> ApiError:
    """``reason`` is one of ``invalid_argument``, ``not_found``, ``expired``."""
    return ApiError(
        401,
        {
            "type": "denied_authentication",
            "message": "authentication is denied",
            "method": "api_key",
            "reason": reason,
        },
    )


def not_implemented(method: str, path: str) -> ApiError:
    message = f"the local Scaleway does not implement {method} {path}"
    return ApiError(501, {"type": "not_implemented", "message": message})


def origin(error: Exception) -> str:
    """Type and location of an unexpected error, without its message, which may quote a value from the request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return f"unexpected {type(error).__name__} at {place}"
