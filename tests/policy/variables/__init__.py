"""Made-up variables, by which the rule `plain-variables` is measured.

``first``    written before the rule, which was made with them in sight
``second``   written once the rule was done, from the variables of well-known programs, and measured before the rule
             was changed: 20 of 115 secrets were missed, and 19 of 125 harmless values refused

Nothing in them has ever been a secret: bodies of tokens are words, or digests of words. Forms that a scanner of
repositories reports are put together at run time.
"""

from tests.policy.variables import first, second

Variables = tuple[tuple[str, str], ...]
"""Names and values."""

HOSTILE = {"first": first.HOSTILE, "second": second.HOSTILE}
"""Variables that hold a secret."""
HARMLESS = {"first": first.HARMLESS, "second": second.HARMLESS}
"""Variables that hold none."""
