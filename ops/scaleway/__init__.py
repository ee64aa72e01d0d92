"""A client for Scaleway's API, and a catalogue of the resource kinds that this project deploys."""
