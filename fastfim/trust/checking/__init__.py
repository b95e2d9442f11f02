"""Is a model sound? The parts of `fastfim.check`, each a question about one likelihood at one point."""
