"""The table of faults, used to validate, execute and document rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.api.errors import ApiError, plain, quotas_exceeded, transient_state
from localcloud.api.transitions import StatusOutcome

Values = Mapping[str, Any]
"""A rule's validated parameters, including defaults."""


@dataclass(frozen=True)
class MatchedRequest:
    """Details of a request that an injected response may include."""

    product: str
    resource: str
    id: str


@dataclass(frozen=True)
class InjectedResponse:
    """A response injected by a fault. If ``error`` is None, the connection is closed without a response."""

    error: ApiError | None
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, kw_only=True)
class NumberParameter:
    """A numeric parameter."""

    description: str
    default: float | None = None
    minimum: float = 0
    maximum: float = 3_600
    integer: bool = False

    @property
    def allowed(self) -> str:
        return f"{'an integer' if self.integer else 'a number'} from {self.minimum:,.15g} to {self.maximum:,.15g}"

    def accepts(self, value: Any) -> bool:
        kinds = (int,) if self.integer else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.minimum <= value <= self.maximum


@dataclass(frozen=True, kw_only=True)
class ChoiceParameter:
    """A parameter with a fixed set of values."""

    description: str
    default: Any
    values: tuple[Any, ...]

    @property
    def allowed(self) -> str:
        *others, last = map(str, self.values)
        return f"{', '.join(others)} or {last}"

    def accepts(self, value: Any) -> bool:
        return type(value) is type(self.default) and value in self.values


@dataclass(frozen=True, kw_only=True)
class TextParameter:
    """A string parameter."""

    description: str
    default: str
    max_length: int = 1_000

    @property
    def allowed(self) -> str:
        return f"a string of 1 to {self.max_length:,} characters"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= self.max_length


Parameter = NumberParameter | ChoiceParameter | TextParameter
WHEN = ChoiceParameter(
    description="whether the fault occurs before the operation, which is then skipped, or after it",
    default="before",
    values=("before", "after"),
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. Exactly one of ``respond``, ``status_outcome``, ``delay`` and ``holds_request`` is set."""

    name: str
    description: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    """Mutually exclusive parameters; a rule must set exactly one of them."""
    product: str = ""
    """The only product that the fault applies to. Empty: all."""
    resource: str = ""
    methods: tuple[str, ...] = ()
    respond: Callable[[Values, MatchedRequest], InjectedResponse] | None = None
    status_outcome: Callable[[Values], StatusOutcome] | None = None
    delay: Callable[[Values], float] | None = None
    """Returns the delay in seconds."""
    holds_request: bool = False
    """Whether the request waits until the rule is cleared."""


def _quota(values: Values, target: MatchedRequest) -> InjectedResponse:
    quota = values["quota"]
    return InjectedResponse(quotas_exceeded(f"{target.product}_{target.resource}s", quota, quota))


def _busy(values: Values, target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(transient_state(target.resource or "resource", target.id, values["current_state"]))


def _too_many(values: Values, _target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(plain(429, "too many requests"), ((b"retry-after", f"{values['retry_after']:g}".encode()),))


_SERVER_ERRORS = {500: "internal error", 502: "bad gateway", 503: "service unavailable", 504: "gateway timeout"}


def _server_error(values: Values, _target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(plain(values["status"], _SERVER_ERRORS[values["status"]]))


def _error(values: Values) -> StatusOutcome:
    return StatusOutcome(final="error", error_message=values["message"])


_DEPLOY_METHODS = ("POST", "PATCH", "PUT")

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in [
        Fault(
            name="container_error",
            description="A container enters the error status with a message when it is created, updated or redeployed.",
            parameters={
                "message": TextParameter(
                    description="the container's error_message", default="the container did not become ready"
                )
            },
            product="containers",
            resource="container",
            methods=_DEPLOY_METHODS,
            status_outcome=_error,
        ),
        Fault(
            name="certificate_failure",
            description="A container's domain enters the error status because its certificate cannot be issued.",
            parameters={
                "message": TextParameter(
                    description="the domain's error_message", default="the certificate could not be issued (HTTP-01)"
                )
            },
            product="containers",
            resource="domain",
            methods=_DEPLOY_METHODS,
            status_outcome=_error,
        ),
        Fault(
            name="slow_transition",
            description="Transient statuses of the request's resource, such as creating, updating and deleting, last "
            "longer.",
            parameters={
                "seconds": NumberParameter(description="duration of these statuses"),
                "factor": NumberParameter(description="multiple of the normal duration", maximum=1_000),
            },
            one_of=("seconds", "factor"),
            methods=("POST", "PATCH", "PUT", "DELETE"),
            status_outcome=lambda values: StatusOutcome(
                seconds=values["seconds"], factor=1.0 if values["factor"] is None else values["factor"]
            ),
        ),
        Fault(
            name="transient_state",
            description="409 transient_state: the resource is changing status.",
            parameters={"current_state": TextParameter(description="the reported status", default="updating")},
            respond=_busy,
        ),
        Fault(
            name="too_many_requests",
            description="429 with Retry-After.",
            parameters={
                "retry_after": NumberParameter(description="seconds after which the client may retry", default=1)
            },
            respond=_too_many,
        ),
        Fault(
            name="server_error",
            description="A 5xx error from the platform or its load balancer.",
            parameters={
                "status": ChoiceParameter(description="the HTTP status", default=500, values=tuple(_SERVER_ERRORS)),
                "when": WHEN,
            },
            respond=_server_error,
        ),
        Fault(
            name="dropped_connection",
            description="The connection is closed without a response.",
            parameters={"when": WHEN},
            respond=lambda _values, _target: InjectedResponse(None),
        ),
        Fault(
            name="quota_reached",
            description="403 quotas_exceeded when a resource is created.",
            parameters={
                "quota": NumberParameter(
                    description="the exhausted quota", default=10, minimum=1, maximum=1e6, integer=True
                )
            },
            methods=("POST",),
            respond=_quota,
        ),
        Fault(
            name="latency",
            description="The response is delayed.",
            parameters={
                "milliseconds": NumberParameter(description="delay of each response", default=100, maximum=600_000)
            },
            delay=lambda values: values["milliseconds"] / 1_000,
        ),
        Fault(
            name="hold",
            description="The request waits until the rule is cleared or the client disconnects.",
            parameters={
                "when": replace(
                    WHEN,
                    description="whether the request waits before the operation, or after it, which delays only the "
                    "response",
                )
            },
            holds_request=True,
        ),
    ]
}
