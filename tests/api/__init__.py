"""Tests of the local Scaleway over HTTP."""
