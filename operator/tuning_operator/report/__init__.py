"""What people look at when they want to understand a job: the same pictures in a report's file and on the web page."""
