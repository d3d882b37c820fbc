"""The history of every customer: the events themselves, whole, and what people write."""
