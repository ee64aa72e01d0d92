"""Logs of containers and jobs: lines written by processes, and lines added through the control API.

lines    log lines, and the interface of log sources
added    lines added through the control API
reader   reads both kinds of lines
routes   ``/_local/…/logs`` of the control API; Cockpit has its own routes (``cockpit.loki``)
"""
