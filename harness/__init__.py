"""The machine that answers the studies: plan, runs, records, statistics and tables."""
