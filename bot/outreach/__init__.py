"""Messages that nobody asked for: only where they are allowed, wanted, and at a decent hour."""
