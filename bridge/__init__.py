"""Everything between processes: the bus, its server, and what travels over it."""
