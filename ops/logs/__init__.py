"""Reads the logs of containers and job runs from Cockpit's Loki API, on the real Scaleway and on the local one.

access   the URL and the token
loki     one query, with retries and errors
pages    all lines of a time range, each exactly once
follow   new lines, including late ones
lines    lines as they are displayed
recent   the last lines of a container
sources  the containers and job runs whose logs are read
"""
