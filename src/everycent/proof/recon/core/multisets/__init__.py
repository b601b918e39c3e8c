"""Which keys have other rows on one side than on the other, by hashes in memory: `multisets.Multisets`."""
