"""What the code's structure comes to: lines by package, circles of imports, and modules that values pass."""
