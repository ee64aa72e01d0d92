"""Takes over what Terraform manages: from its state into a stack's, without one request that writes."""
