"""Ways to pay: each a Channel (contract), or what reads a channel's come-backs."""
