"""Component resources, which the blueprints combine."""
