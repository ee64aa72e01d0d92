"""Container images: their builds, copies and history."""
