"""People who answer customers: their accounts, what each may do, how they sign in."""
