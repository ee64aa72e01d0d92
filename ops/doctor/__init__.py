"""What a release needs, checked before the first one."""
