"""Tagging rules: what a contact is (tags, lifecycle phase), and why."""
