"""Preview environments: eligibility, names, metadata, inventory, creation and removal."""
