"""Running Tuttu: the command line's work, the embedded servers, load and verification."""
