"""`tuningctl`: the command line of people without a cluster, and of those who want to know before they apply."""
