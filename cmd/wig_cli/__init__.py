"""The program `wig`."""
