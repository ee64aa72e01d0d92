"""Monthly cost of stacks and of the changes in a preview, based on Scaleway's published prices."""
