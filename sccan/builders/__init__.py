"""Settings become objects here and nowhere else: plain tables of constructors, one file per concern."""
