"""Reconciliations that nobody waits for: by schedule or because files arrived, in shards, by any number of workers."""
