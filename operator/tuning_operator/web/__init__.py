"""The read-only web page: what is where, how it goes and why it waits, live, for the operator and for one machine."""
