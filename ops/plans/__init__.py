"""Plans: apply exactly the approved changes or nothing at all."""
