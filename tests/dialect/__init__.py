"""The dialects, without Home Assistant."""
