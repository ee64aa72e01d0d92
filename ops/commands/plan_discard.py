"""``snu plan discard``: prevents plans from being applied."""

from __future__ import annotations

from ops.confirm import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.ledger import Ledger
from ops.plans.waiting import WaitingPlan, waiting
from ops.report.text import counted, short
from ops.session import Options, Session


def discard(session: Session, digest: str | None, options: Options) -> ExitCode:
    """Discard all waiting plans, or the one whose digest starts with ``digest``.

    Raises OpsError if ``digest`` is given but does not match exactly one waiting plan.
    """
    name = session.stack.name
    with session.locked("snu plan discard", options):
        plans = _selected(waiting(session.store, session.project, name), digest, name)
        if not plans:
            print(f"{name} has no waiting plans; nothing was changed.")
            return ExitCode.OK
        if not options.yes:
            confirm(
                f"Discard {counted(len(plans), 'plan')} of {name} ({', '.join(short(each.digest) for each in plans)})?"
            )
        ledger = Ledger(session.store, session.project, name)
        for plan in plans:
            ledger.discard(plan.plan, plan.digest, plan.author)
            print(f"Discarded plan {short(plan.digest)}, created by {plan.author}; it can no longer be applied.")
    return ExitCode.OK


def _selected(plans: list[WaitingPlan], digest: str | None, stack: str) -> list[WaitingPlan]:
    if digest is None:
        return plans
    selected = [
        plan for plan in plans if plan.digest.removeprefix("sha256:").startswith(digest.removeprefix("sha256:"))
    ]
    if len(selected) != 1:
        problem = "is ambiguous" if selected else "is not waiting to be applied"
        digests = ", ".join(short(plan.digest) for plan in plans) or "none"
        raise OpsError(
            f"Plan {digest} of {stack} {problem}. Waiting plans: {digests}. Nothing was changed.", ExitCode.USAGE
        )
    return selected
