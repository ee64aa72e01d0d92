"""What the stacks cost a month, by what the program declares or a plan changes, at Scaleway's published prices."""
