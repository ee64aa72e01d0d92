"""Preview environments: their names, what the parent's store and the cloud know of them, bringing them up and down."""
