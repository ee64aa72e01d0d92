"""The faults that a rule can ask for: the one table from which rules are checked, done and documented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.api.errors import ApiError, plain, quotas_exceeded, transient_state
from localcloud.api.transitions import StatusOutcome

Values = Mapping[str, Any]
"""The parameters of a rule, checked and complete."""


@dataclass(frozen=True)
class MatchedRequest:
    """The request that a fault strikes, as far as the answer speaks of it."""

    product: str
    resource: str
    id: str


@dataclass(frozen=True)
class InjectedResponse:
    """The answer that a fault gives in place of the right one; ``error`` None = none at all: the socket is closed."""

    error: ApiError | None
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, kw_only=True)
class NumberParameter:
    """A parameter that is a number."""

    about: str
    default: float | None = None
    least: float = 0
    most: float = 3_600
    whole: bool = False

    @property
    def allowed(self) -> str:
        return f"{'a whole' if self.whole else 'a'} number from {self.least:g} to {self.most:g}"

    def accepts(self, value: Any) -> bool:
        kinds = (int,) if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most


@dataclass(frozen=True, kw_only=True)
class ChoiceParameter:
    """A parameter that is one of a few values."""

    about: str
    default: Any
    values: tuple[Any, ...]

    @property
    def allowed(self) -> str:
        return " or ".join(str(value) for value in self.values)

    def accepts(self, value: Any) -> bool:
        return type(value) is type(self.default) and value in self.values


@dataclass(frozen=True, kw_only=True)
class TextParameter:
    """A parameter that is a text."""

    about: str
    default: str
    longest: int = 1_000

    @property
    def allowed(self) -> str:
        return f"a text of 1 to {self.longest:,} characters"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= self.longest


Parameter = NumberParameter | ChoiceParameter | TextParameter
WHEN = ChoiceParameter(
    about="whether the operation is left undone (before) or carried out all the same (after)",
    default="before",
    values=("before", "after"),
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. Exactly one of ``blow``, ``course``, ``delay`` and ``holds`` says what it does."""

    name: str
    about: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    """Parameters of which a rule gives exactly one."""
    product: str = ""
    """Where the fault can happen at all; empty = everywhere."""
    resource: str = ""
    methods: tuple[str, ...] = ()
    blow: Callable[[Values, MatchedRequest], InjectedResponse] | None = None
    course: Callable[[Values], StatusOutcome] | None = None
    delay: Callable[[Values], float] | None = None
    """Seconds."""
    holds: bool = False
    """Until the rule is cleared."""


def _quota(values: Values, target: MatchedRequest) -> InjectedResponse:
    quota = values["quota"]
    return InjectedResponse(quotas_exceeded(f"{target.product}_{target.resource}s", quota, quota))


def _busy(values: Values, target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(transient_state(target.resource or "resource", target.id, values["current_state"]))


def _too_many(values: Values, target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(plain(429, "too many requests"), ((b"retry-after", f"{values['retry_after']:g}".encode()),))


_SERVER_ERRORS = {500: "internal error", 502: "bad gateway", 503: "service unavailable", 504: "gateway timeout"}


def _server_error(values: Values, target: MatchedRequest) -> InjectedResponse:
    return InjectedResponse(plain(values["status"], _SERVER_ERRORS[values["status"]]))


def _error(values: Values) -> StatusOutcome:
    return StatusOutcome(final="error", error_message=values["message"])


_DEPLOYS = ("POST", "PATCH", "PUT")

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in [
        Fault(
            name="container_error",
            about="A container ends in status error, with a message, when it is created, updated or redeployed.",
            parameters={
                "message": TextParameter(about="its error_message", default="the container did not become ready")
            },
            product="containers",
            resource="container",
            methods=_DEPLOYS,
            course=_error,
        ),
        Fault(
            name="certificate_failure",
            about="The domain of a container ends in status error: its certificate cannot be had.",
            parameters={
                "message": TextParameter(
                    about="its error_message", default="the certificate could not be issued (HTTP-01)"
                )
            },
            product="containers",
            resource="domain",
            methods=_DEPLOYS,
            course=_error,
        ),
        Fault(
            name="slow_transition",
            about="Statuses such as creating, updating, deleting last longer for what the request touches.",
            parameters={
                "seconds": NumberParameter(about="how long they last"),
                "factor": NumberParameter(about="how many times as long as they would", most=1_000),
            },
            one_of=("seconds", "factor"),
            methods=("POST", "PATCH", "PUT", "DELETE"),
            course=lambda values: StatusOutcome(
                seconds=values["seconds"], factor=1.0 if values["factor"] is None else values["factor"]
            ),
        ),
        Fault(
            name="transient_state",
            about="409: the resource is on its way from one status to another.",
            parameters={
                "current_state": TextParameter(about="the status that it is said to be in", default="updating")
            },
            blow=_busy,
        ),
        Fault(
            name="too_many_requests",
            about="429 with Retry-After.",
            parameters={
                "retry_after": NumberParameter(about="seconds after which the client may try again", default=1)
            },
            blow=_too_many,
        ),
        Fault(
            name="server_error",
            about="A 5xx of the platform or of what stands before it.",
            parameters={
                "status": ChoiceParameter(about="the HTTP status", default=500, values=tuple(_SERVER_ERRORS)),
                "when": WHEN,
            },
            blow=_server_error,
        ),
        Fault(
            name="dropped_connection",
            about="The connection is closed without an answer.",
            parameters={"when": WHEN},
            blow=lambda values, target: InjectedResponse(None),
        ),
        Fault(
            name="quota_reached",
            about="403 quotas_exceeded when something is created.",
            parameters={
                "quota": NumberParameter(about="the quota, all of it used", default=10, least=1, most=1e6, whole=True)
            },
            methods=("POST",),
            blow=_quota,
        ),
        Fault(
            name="latency",
            about="The answer comes later.",
            parameters={"milliseconds": NumberParameter(about="added to each answer", default=100, most=600_000)},
            delay=lambda values: values["milliseconds"] / 1_000,
        ),
        Fault(
            name="hold",
            about="The request waits until the rule is cleared, or until its client goes away.",
            parameters={
                "when": replace(
                    WHEN,
                    about="whether the operation is carried out once it is over (before) or at once, "
                    "and only its answer waits (after)",
                )
            },
            holds=True,
        ),
    ]
}
