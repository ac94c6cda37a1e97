"""Home Assistant loads custom integrations from here; as a package, so that tests find ours before their own."""
