"""A stack's state: where it is stored, who has locked it, and whether it has changed."""
