"""What the observer has seen: who calls whom, and traces."""
