"""Plans: exactly the approved changes are applied, or nothing."""
