"""The corpus: planted histories with the exact kinds that must be raised, and near misses that raise nothing that fails."""
