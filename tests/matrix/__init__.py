"""The money matrix: every fault of the hostile kit, in every situation, checked from outside.

``python -m tests.matrix`` runs all of it and prints the figures; ``--cell`` repeats one run.
"""
