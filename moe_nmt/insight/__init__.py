"""Looking into models: operation counts and the balance of their experts."""
