"""Copies of the project with a local Scaleway of their own, and what tests of several folders do with them."""
