"""Pure decisions: `customers` (what is said of a customer, and whether it changed) and `finding` (how one is found)."""
