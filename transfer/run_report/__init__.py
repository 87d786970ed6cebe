"""A finished run as tables and pictures that can be looked at without anything else."""
