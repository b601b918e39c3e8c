"""Figures: what the stored books say of a model as of a day, each table's total that of the ledger."""
