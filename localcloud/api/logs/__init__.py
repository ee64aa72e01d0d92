"""The lines of containers' and jobs' logs: read from what runs them, or added.

lines    what a line is, and what reading needs of whatever wrote it
added    lines that no process wrote
reader   both as one
routes   ``/_local/…/logs`` of the control API; Cockpit has its own (``cockpit.loki``)
"""
