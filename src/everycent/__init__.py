"""everycent: settlement and reconciliation for platform businesses. Every cent computed, explained, paid and proven."""

import os

# Arrow's allocator (mimalloc) reads this where pyarrow is first imported: keep what a batch freed for the next one for
# 10 s (its default is 10 ms), as memory that a virtual machine hands out anew costs more than the work in it.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")

__version__ = "0.1.0"
