"""Replaces keys and passphrases that are in use. Each rotation can be interrupted anywhere, and is then continued."""
