"""What went wrong for a customer, what was done about it, and whether it is right again."""
