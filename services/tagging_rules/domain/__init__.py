"""Pure decisions. Read in this order: `tags`, `events`, `conditions`, `rules`, `evidence`, `standing`."""
