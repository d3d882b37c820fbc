"""One person, one contact: source records are matched, and what is known of a customer becomes one golden record."""
