"""Fuzzing of everything that reads a stranger's bytes; ``scripts/fuzz`` runs it."""
