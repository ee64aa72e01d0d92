"""Recovery from interrupted runs: resolves the pending operations in a stack's state."""
