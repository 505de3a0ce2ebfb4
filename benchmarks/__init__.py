"""What this package costs, measured side by side with the published client: ``make bench``."""
