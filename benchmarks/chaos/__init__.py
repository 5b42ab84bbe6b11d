"""A seeded campaign of faults against jobs that run: nothing may be lost, doubled, stuck or left over."""
