"""An answer that cannot be ended as it began."""


class BrokenAnswer(Exception):
    """Its connection has to be cut, so that the client does not take the answer for whole."""

    def __init__(self, status: int, why: str) -> None:
        """``status``: what it would be, could it begin anew."""
        super().__init__(why)
        self.status = status
        self.why = why
