"""Replaces a stack's plan keys.

New public keys are added to the former ones, so that plans signed by either key and encrypted to both are valid.
The private keys are used only after the file with the public keys is committed, and the key that decrypts plans only
when no plan that was encrypted to the former key alone can be waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans import keys
from ops.plans.sealed_file import public_key
from ops.plans.waiting import WaitingPlan
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.report.text import short
from ops.stack_file import edit
from ops.stacks import Stack, find_stack

SECTION = "snu:plans"
Say = Callable[[str, str], None]


@dataclass(frozen=True)
class PlanKeyRotation:
    """The rotation of one stack's plan keys. Every step can be repeated."""

    stack: Stack
    folder: Path
    """Directory for the private keys."""
    planner: str
    applier: str
    store: Callable[[str, Path], None]
    """Stores the private key in a file where the secret of that name is used. Raises OpsError."""
    is_committed: Callable[[], bool]
    """Whether the stack's file has no uncommitted changes."""
    waiting: Callable[[], list[WaitingPlan]]
    say: Say

    def run(self) -> bool:
        """Perform the steps that are possible now; returns whether the rotation is finished.

        Raises OpsError if plans that only the former key can decrypt may still be waiting.
        """
        added = self._add_public_keys()
        if added or not self.is_committed():
            self.say(
                self.stack.file.name,
                "has the new public keys in addition to the former ones. Commit and merge the file, then run the same "
                "command again",
            )
            return False
        self.store(SIGNING_KEY, self._next(SIGNING_KEY))
        if plans := self.waiting():
            raise OpsError(
                f"The former keys of {self.stack.name} remain valid, because waiting plans may need them: "
                f"{'; '.join(map(_described, plans))}. New plans are signed with the new key. Run the same command "
                "again once the plans are applied or have expired, or discard them: scripts/snu plan discard "
                f"{self.stack.name}",
                ExitCode.FAILED,
            )
        self.store(IDENTITY, self._next(IDENTITY))
        self._remove_former()
        return True

    def _add_public_keys(self) -> bool:
        """Generate missing private keys, and add their public keys; returns whether the file changed."""
        section = self._section()
        wanted: dict[str, tuple[str, str]] = {}
        for secret, kind, name in self._kinds:
            public = self._public(secret)
            known: Mapping[str, str] = section.get(kind) or {}
            if public not in known.values():
                wanted[kind] = (_next_name(name, known), public)

        def change(config: Any) -> None:
            for kind, (name, public) in wanted.items():
                config.setdefault(SECTION, {}).setdefault(kind, {})[name] = public

        return bool(wanted) and edit(self.stack.file, change)

    def _remove_former(self) -> None:
        """Remove the former public keys, then give the private keys their final names."""
        current = {kind: self._public(secret) for secret, kind, _ in self._kinds}
        names = {kind: name for _, kind, name in self._kinds}
        removed: list[str] = []

        def change(config: Any) -> None:
            for kind, public in current.items():
                known = config[SECTION][kind]
                for name in [each for each in known if _is_family(each, names[kind]) and known[each] != public]:
                    del known[name]
                    removed.append(f"{kind}.{name}")

        edit(self.stack.file, change)
        for secret, _, _ in self._kinds:
            self._next(secret).replace(self._final(secret))
        self.say(
            self.stack.file.name,
            f"former keys removed: {', '.join(removed) or 'none left'}. They remain valid until the file is committed "
            "and merged",
        )

    @property
    def _kinds(self) -> tuple[tuple[str, str, str], ...]:
        return (SIGNING_KEY, "planners", self.planner), (IDENTITY, "appliers", self.applier)

    def _section(self) -> Mapping[str, Any]:
        section = find_stack(self.stack.project_dir, self.stack.name).config.get(SECTION)
        return section if isinstance(section, Mapping) else {}

    def _next(self, secret: str) -> Path:
        return self._final(secret).with_suffix(".next.key")

    def _final(self, secret: str) -> Path:
        part = {SIGNING_KEY: "signing", IDENTITY: "identity"}[secret]
        return self.folder / f"{self.stack.name}-plan-{part}.key"

    def _public(self, secret: str) -> str:
        """The public key of a new private key, which is generated if its file does not exist. Raises OpsError."""
        path = self._next(secret)
        if not path.exists():
            pair = keys.new_signing_key() if secret == SIGNING_KEY else keys.new_identity()
            keys.write_private(path, pair.private)
            return pair.public
        environ = {f"{secret}_FILE": str(path)}
        if secret == SIGNING_KEY:
            return public_key(keys.signing_key(self.stack, environ))
        return str(keys.identity(self.stack, environ).to_public())


def _described(plan: WaitingPlan) -> str:
    return f"{short(plan.digest)} by {plan.author}, until {plan.expires[:16].replace('T', ' ')} UTC"


def _is_family(name: str, base: str) -> bool:
    return re.fullmatch(rf"{re.escape(base)}(-\d+)?", name) is not None


def _next_name(base: str, known: Mapping[str, str]) -> str:
    """``ci`` if no key has that name, otherwise ``ci-2``, ``ci-3``, …."""
    numbers = [int(name.removeprefix(base).lstrip("-") or "1") for name in known if _is_family(name, base)]
    return f"{base}-{max(numbers) + 1}" if numbers else base
