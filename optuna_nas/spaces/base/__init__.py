"""What every space is made of: decisions, architectures, enumeration, the hooks."""
