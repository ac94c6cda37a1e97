"""A real Home Assistant, a house to talk to, Morphy set up in it: what ``scripts/demo`` runs, and the browser test."""
