"""Account: projects of the organization."""
