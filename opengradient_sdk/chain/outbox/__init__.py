"""Transactions on their way: a durable book of nonces, and what brings them into the chain."""
