"""3 WATCH: wait without holding a worker."""
