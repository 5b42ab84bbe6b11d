"""The search: which configuration to try next, as a pure function of what is known so far."""
