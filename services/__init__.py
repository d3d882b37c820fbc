"""Tuttu: six services that make one customer register out of events."""
