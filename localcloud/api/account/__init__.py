"""Account: the organization's projects."""
