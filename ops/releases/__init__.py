"""What runs where, as it goes from stack to stack and back.

release     what a release is: its tag, and what the tag's message says
tags        the releases of a stack, read from git's tags and written as one
record      makes the tag after a good apply
changelog   the commits between two states of a stack's images
committed_file  a stack's file as git has it, and a commit of that file alone
promotion   takes what one stack runs over into another one's file and registry
rollback    an earlier release's images and variables
hotfix      what a branch cut from a release may do, and what it builds
"""
