"""Fault injection: rules make the local Scaleway fail or slow down as the platform may.

kinds      the table of faults: what each does, and its parameters
rule       one rule: a fault, the requests that it matches, and which of those it affects
active     the active rules, and their combined effect on a request
reference  the table of faults, as JSON and in Markdown
document   writes the table to the documentation
"""
