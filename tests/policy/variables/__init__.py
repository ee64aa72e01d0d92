"""Made-up variables, by which the rule `plain-variables` is measured.

``first``    written before the rule: it was made with these in sight
``second``   written after it, and by somebody who did not look at it: how it fares with what it was not made for

Nothing in them has ever been a secret: bodies of tokens are words, or digests of words. Forms that a scanner of
repositories reports are put together at run time.
"""

from tests.policy.variables import first

HOSTILE = {"first": first.HOSTILE}
"""Variables that hold a secret, as name and value."""
HARMLESS = {"first": first.HARMLESS}
"""Variables that hold none."""
