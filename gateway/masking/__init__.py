"""Turns one case into what one vendor may see: transforms, pseudonyms and compiled projections."""
