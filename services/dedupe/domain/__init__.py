"""What dedupe decides, without I/O: values in, a decision out.

names → records → evidence → partition → golden: what a name says, what a source says of one customer, which records
speak of the same one, which records are one contact, and what is known of that contact.
"""
