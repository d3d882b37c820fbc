"""The register that everyone reads: joins what other services say of a contact to the public customer, and finds it."""
