"""The apps of the repository as processes, with Node."""
