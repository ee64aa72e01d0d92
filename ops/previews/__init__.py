"""Preview environments: eligibility, names, metadata, inventory, bringing them up and taking them down."""
