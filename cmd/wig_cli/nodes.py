"""`wig datastore` and `wig gateway`: the programs that run for ever on each host.

Loaded by `main` when one of them is called. Flags to values; what they do is in `bridge`.
"""
