"""Wait without holding a worker."""
