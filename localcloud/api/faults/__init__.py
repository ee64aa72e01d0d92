"""Fault injection: rules make the local Scaleway fail or slow down as the real platform might.

kinds      the table of faults, with their effects and parameters
rule       one rule: a fault, the requests that it matches, and which of those it affects
active     the active rules, and their combined effect on a request
reference  the table of faults as JSON and as Markdown
document   writes the table into the documentation
"""
