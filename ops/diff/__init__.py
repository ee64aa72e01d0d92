"""Shows how a change to the program or stack files affects every stack, without Scaleway, secrets or the Pulumi CLI.

``ops.program`` evaluates each revision's program in its own process, with placeholders for secrets and values from
Scaleway. ``compare`` then compares the resources of both revisions.
"""
