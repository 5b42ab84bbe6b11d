"""How long it takes to find a good configuration, by stopping rule: recorded learning curves in virtual time."""
