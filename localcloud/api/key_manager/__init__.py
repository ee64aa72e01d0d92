"""Key Manager: keys, and encryption with them."""
