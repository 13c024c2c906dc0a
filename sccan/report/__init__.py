"""Tables, pictures and pages, from plain numbers and arrays."""
