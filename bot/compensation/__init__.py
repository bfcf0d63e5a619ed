"""What a customer is owed and what is given beyond: the policy, and the ledger of what was given."""
