"""Ranks of methods: across the data sets of a printed table, and the paper's order of rows beside ours.

Doors: harness.claims.ranks.across.find_rankings and harness.claims.ranks.orders.find_orders, of tables.
Example: `draw_ranks(find_rankings(tables))`
"""
