"""Replaces keys and passphrases that are in use. Each rotation can be interrupted at any point and resumed."""
