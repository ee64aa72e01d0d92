"""Whether the cloud is as the last updates left it, and what is in it that no state knows. Nothing is changed."""
