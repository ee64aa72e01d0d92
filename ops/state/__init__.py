"""A stack's state: where it is kept, who holds it, and whether it is still the same."""
