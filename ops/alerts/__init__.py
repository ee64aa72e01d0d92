"""Crash alerts, seen from outside: does the job that tells of crashes still run?"""
