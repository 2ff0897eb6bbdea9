"""Production on Docker Compose: what stands in its way, how it is brought up, how replicas are replaced."""
