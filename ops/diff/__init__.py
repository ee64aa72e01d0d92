"""What a change of the program or of a stack's file does to every stack, found out without cloud, secrets and CLI.

Each revision's own program is evaluated by a process of its own (``evaluator``), with stand-ins for what the cloud and
the secrets would say (``stand_ins``); then the resources of both are compared (``compare``).
"""
