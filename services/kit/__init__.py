"""What all services share and that knows no contact: runtime, envelope, database, web, health, settings."""
