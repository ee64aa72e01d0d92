"""Logs of containers and jobs: lines that processes wrote, and lines that were added through the control API.

lines    a log line, and the interface of a source of logs
added    lines added through the control API
reader   reads both
routes   ``/_local/…/logs`` of the control API; Cockpit has its own routes (``cockpit.loki``)
"""
