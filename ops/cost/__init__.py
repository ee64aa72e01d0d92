"""Monthly cost of stacks, and of the changes in a preview, at Scaleway's published prices."""
