"""The gateway's host: the only place that touches the kernel."""
