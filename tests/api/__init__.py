"""Tests of the local Scaleway, through HTTP as its clients see it."""
