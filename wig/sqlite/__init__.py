"""The datastore: the only place that touches SQLite."""
