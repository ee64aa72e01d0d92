"""The status of crash alerts: whether the job that reports crashes is still running."""
