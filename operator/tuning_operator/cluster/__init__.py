"""The cluster as a person's tools see it: jobs and trials are read, a few fields are changed, and every failure has a word."""
