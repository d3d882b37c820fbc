"""One pure adapter per door: bytes and headers in, drafts of events or a refusal out. No I/O, no clock."""
