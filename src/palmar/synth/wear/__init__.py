"""What hands and arms wear: gloves, rings, watches, bracelets, bandages, tattoos, hair."""
