"""What the stacks cost a month, from their settings or from a plan's steps, at Scaleway's published prices."""
