"""What is planned: the configuration's schema, its loading and checks, provenance."""
