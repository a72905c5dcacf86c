"""How it goes as a whole, as Prometheus reads it. Needs the extra ``metrics``, but for being imported."""
