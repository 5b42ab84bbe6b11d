"""One module a chart. Each is a function from a view to a drawing, or None where there is nothing to show."""
