"""everycent: settlement and reconciliation for platform businesses. Every cent computed, explained, paid and proven."""

__version__ = "0.1.0"
