"""The secret document of an environment: a JSON object of strings in Secret Manager."""
