"""Plans: what was approved is exactly what is applied."""
