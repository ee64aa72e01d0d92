"""The effect of a change of the program or of stack files on every stack, without cloud, secrets or Pulumi CLI.

``ops.program`` evaluates each revision's program in its own process, with placeholders for values from the cloud and
for secrets; ``compare`` then compares the resources of both.
"""
