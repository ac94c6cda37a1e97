"""Tests of the integration, on the real things wherever they can be had."""
