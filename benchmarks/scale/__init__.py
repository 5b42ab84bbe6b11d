"""How large it can get: what a trial costs after ten thousand others, beside a thousand jobs that have ended."""
