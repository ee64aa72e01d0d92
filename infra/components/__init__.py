"""Component resources that the blueprints combine."""
