"""Shows how a change to the program or stack files affects every stack, without cloud, secrets or Pulumi CLI.

``ops.program`` evaluates each revision's program in its own process, with placeholders for secrets and values from the
cloud. ``compare`` then compares the resources of both revisions.
"""
