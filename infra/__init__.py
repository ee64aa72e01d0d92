"""The Pulumi program: blueprints, components and settings."""
