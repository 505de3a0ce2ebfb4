"""HTTP, retries, canonical JSON, clocks and the event-loop portal."""
