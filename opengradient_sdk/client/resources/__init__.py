"""What a client offers, one namespace a file."""
