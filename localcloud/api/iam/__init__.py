"""IAM: users, applications, API keys, policies and their rules, permission sets."""
