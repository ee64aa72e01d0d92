"""The program, evaluated without a cloud: what it declares for each stack, with stand-ins for what a cloud knows."""
