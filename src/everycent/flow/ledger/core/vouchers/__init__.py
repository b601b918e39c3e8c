"""Vouchers for an accounting system: their codes, their content, and their life."""
