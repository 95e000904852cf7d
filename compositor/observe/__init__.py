"""What happened: digests of everything shown, and statistics."""
