"""What was said about the future, when it falls due, and whether it was kept."""
