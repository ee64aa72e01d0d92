"""Faults on demand: what the platform does on a bad day, done by the local Scaleway when a rule says so.

kinds    the table of faults: what each does, and with which parameters
rule     one rule: which requests it is for, which of them it strikes
book     the rules in force, and what they do to one request
reference  the table as JSON and as a page
"""
